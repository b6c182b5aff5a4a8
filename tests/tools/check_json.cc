// Reads standard input and checks that it is one JSON document (UTF-8, no duplicate keys) that holds something at every
// JSON pointer given: check_json /weights /tensors/0/name. With POINTER=VALUE the value there must be VALUE, written as
// JSON.
#include <cstdio>
#include <iostream>
#include <iterator>
#include <string>

#include "base/json.h"

int main(int argc, char** argv) {
  const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  const nwc::Result<nwc::Json> json = nwc::parse_json(text);
  if (!json) {
    std::fprintf(stderr, "check_json: %s\n", json.error().to_string().c_str());
    return 1;
  }
  int status = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const size_t equals = argument.find('=');
    try {
      const nwc::Json::json_pointer pointer(argument.substr(0, equals));
      if (!json->contains(pointer)) {
        std::fprintf(stderr, "check_json: nothing at %s\n", argument.substr(0, equals).c_str());
        status = 1;
      } else if (equals != std::string::npos && json->at(pointer) != nwc::Json::parse(argument.substr(equals + 1))) {
        std::fprintf(stderr, "check_json: %s is not at its place; there is %s\n", argument.c_str(),
                     json->at(pointer).dump().c_str());
        status = 1;
      }
    } catch (const nwc::Json::exception& e) {
      std::fprintf(stderr, "check_json: %s: %s\n", argument.c_str(), e.what());
      status = 1;
    }
  }
  return status;
}
