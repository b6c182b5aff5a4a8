#include "text/stages/metaspace.h"

namespace nwc::text {

Result<MetaspaceOptions> metaspace_options(const Fields& fields) {
  MetaspaceOptions options;
  NWC_ASSIGN_OR_RETURN(options.replacement, fields.character("replacement"));
  NWC_ASSIGN_OR_RETURN(options.split, fields.boolean("split", true));
  NWC_ASSIGN_OR_RETURN(const bool add_prefix_space, fields.boolean("add_prefix_space", true));
  NWC_ASSIGN_OR_RETURN(const std::string scheme,
                       fields.string("prepend_scheme", add_prefix_space ? "always" : "never"));
  if (scheme == "first") {
    options.prepend = PrependScheme::kFirst;
  } else if (scheme == "always") {
    options.prepend = PrependScheme::kAlways;
  } else if (scheme == "never") {
    options.prepend = PrependScheme::kNever;
  } else {
    return fields.error(ErrorCode::kUnsupported, "prepend_scheme '" + scheme.substr(0, 100) + "' is not known");
  }
  if (!add_prefix_space && options.prepend != PrependScheme::kNever) {
    return fields.error(ErrorCode::kCorrupt, "'add_prefix_space' is false, but 'prepend_scheme' is '" + scheme + "'");
  }
  return options;
}

}  // namespace nwc::text
