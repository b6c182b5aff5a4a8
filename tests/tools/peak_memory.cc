// peak_memory FILE COMMAND...: runs the command and writes "PEAK_KIB SECONDS" to FILE: the most memory that the command
// had resident at once, mapped files included, and how long it took. Ends as the command does; 127 if it cannot be
// started.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: peak_memory FILE COMMAND...\n");
    return 2;
  }
  const auto began = std::chrono::steady_clock::now();
  const pid_t child = ::fork();
  if (child < 0) {
    std::perror("peak_memory: fork");
    return 127;
  }
  if (child == 0) {
    ::execvp(argv[2], argv + 2);
    std::perror(argv[2]);
    ::_exit(127);
  }
  int status = 0;
  rusage usage{};
  while (::wait4(child, &status, 0, &usage) < 0) {
    if (errno == EINTR) continue;
    std::perror("peak_memory: wait4");
    return 127;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  std::FILE* const out = std::fopen(argv[1], "w");
  if (out == nullptr || std::fprintf(out, "%ld %.1f\n", usage.ru_maxrss, seconds) < 0 || std::fclose(out) != 0) {
    std::perror(argv[1]);
    return 127;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
