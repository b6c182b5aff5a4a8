# Reads tests/layers.txt, then lines "FILE:LINE:#include ..." (LINE 0: the file alone) of all source files, with paths
# below src, and nwcodec/ for the public headers. Prints what is not allowed.
function fail(text) {
  print text
  bad = 1
}
# The room of a file: its own, if it has one, or its room.
function room_of(file, stem) {
  stem = file
  sub(/\.[a-z]+$/, "", stem)
  if (stem in room) return stem
  sub(/\/[^\/]*$/, "", file)
  return file
}
function library_of(header, i) {
  for (i = 1; i <= prefixes; ++i)
    if (index(header, prefix[i]) == 1) return prefix_library[i]
  return ""
}

# One row of layers.txt.
function row(text, field, fields, half, name, names, above, count, linked, i, j) {
  fields = split(text, field, " ")
  if (field[1] == "lib") {
    sub(/:$/, "", field[2])
    libraries[field[2]]
    for (i = 3; i <= fields; ++i) {
      prefix[++prefixes] = field[i]
      prefix_library[prefixes] = field[2]
    }
    return
  }
  split(text, half, /[:|]/)
  names = split(half[1], name, " ")
  count = split(half[2], above, " ")
  linked = split(half[3], field, " ")
  for (i = 1; i <= count; ++i)
    if (!(above[i] in room)) fail("layers.txt: " name[1] " names " above[i] ", which does not stand above it")
  for (i = 1; i <= linked; ++i)
    if (!(field[i] in libraries)) fail("layers.txt: " name[1] " names " field[i] ", which is no library")
  for (i = 1; i <= names; ++i) {
    if (name[i] in room) fail("layers.txt: " name[i] " is there twice")
    room[name[i]]
    for (j = 1; j <= count; ++j) may_include[name[i], above[j]]
    for (j = 1; j <= names; ++j) may_include[name[i], name[j]]
    for (j = 1; j <= linked; ++j) may_link[name[i], field[j]]
  }
}

FNR == 1 { ++inputs }
inputs == 1 && /^(#|$)/ { next }
inputs == 1 && /^ / {  # continues the row before
  pending = pending $0
  next
}
inputs == 1 {
  if (pending != "") row(pending)
  pending = $0
  next
}
inputs == 2 && FNR == 1 { row(pending) }

# Files before their includes, so that every path is known.
{
  split($0, part, ":")
  file = part[1]
  if (part[2] == 0) {
    exists[file]
    used[room_of(file)]
    next
  }
  text = substr($0, length(part[1]) + length(part[2]) + 3)
  if (!match(text, /[<"][^>"]*[>"]/)) {
    fail(file ":" part[2] ": an include that is neither <...> nor \"...\": " text)
    next
  }
  ++includes
  include_file[includes] = file
  include_line[includes] = part[2]
  include_path[includes] = substr(text, RSTART + 1, RLENGTH - 2)
}

function check(i, file, line, path, own, target, library, is_test) {
  file = include_file[i]
  path = include_path[i]
  line = file ":" include_line[i] ": "
  own = room_of(file)
  if (!(own in room)) return
  is_test = file ~ /_test\.[a-z]+$/
  if (path in exists) {
    target = room_of(path)
    reach[file] = reach[file] " " path
    if (is_test) {
      if ((target, "torch") in may_link && !((own, "torch") in may_link))
        fail(line "a test of " own " includes " path ", which is on LibTorch")
    } else if (!((own, target) in may_include)) {
      fail(line own " may not include " target " (" path ")")
    } else if (path ~ /_test\.[a-z]+$/) {
      fail(line path " is a test's")
    }
    return
  }
  library = library_of(path)
  if (library == "" && path !~ /[\/.]/) return  # the C++ library
  if (is_test) {
    if (library == "torch" && !((own, library) in may_link))
      fail(line "a test of " own " includes " path)
    return
  }
  if (library == "")
    fail(line path " belongs to no folder and to no library in layers.txt")
  else if (!((own, library) in may_link))
    fail(line own " may not include " library " (" path ")")
  foreign[file] = foreign[file] " " library
}

# Everything that a kernel reaches.
function check_kernel(kernel, queue, seen, first, last, next_files, n, i, file, used_libraries) {
  split("", seen)
  queue[first = last = 1] = kernel
  seen[kernel]
  for (; first <= last; ++first) {
    file = queue[first]
    if (file !~ /^cuda\//) fail(kernel ": a kernel reaches " file)
    n = split(foreign[file], used_libraries, " ")
    for (i = 1; i <= n; ++i)
      if (used_libraries[i] != "cuda") fail(kernel ": a kernel reaches " used_libraries[i] " through " file)
    n = split(reach[file], next_files, " ")
    for (i = 1; i <= n; ++i)
      if (!(next_files[i] in seen)) {
        seen[next_files[i]]
        queue[++last] = next_files[i]
      }
  }
}

END {
  for (f in used)
    if (!(f in room)) fail("src/" f " is not in tests/layers.txt: say what it may include")
  for (r in room)
    if (!(r in used)) fail("tests/layers.txt: " r " has no files")
  for (i = 1; i <= includes; ++i) check(i)
  for (f in exists)
    if (f ~ /\.cu$/) check_kernel(f)
  exit bad
}
