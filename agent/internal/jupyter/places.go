package jupyter

// places is the table of languages whose kernels can do it. In `enter` {cwd} becomes the folder in hexadecimal digits ("": none), {env} pairs
// `name=value` of such digits, with a space between them. What was before is kept where the code's variables are not, so that it
// is neither listed nor removed with them. The code uses no name that the user's code may have changed, as far as the language lets it.
var places = map[string]place{
	"python": {`exec("""
import os, sys
text = lambda digits: os.fsdecode(bytes.fromhex(digits))
env = dict(map(text, pair.split("=")) for pair in "{env}".split())
cwd = text("{cwd}")
sys._k2_place = {name: os.environ.get(name) for name in env}, os.open(".", os.O_RDONLY) if cwd else None
os.environ.update(env)
if cwd: os.chdir(cwd)
""", {})`, `exec("""
import os, sys
before, folder = getattr(sys, "_k2_place", ({}, None))
for name, value in before.items():
    if value is None: os.environ.pop(name, None)
    else: os.environ[name] = value
try:
    if folder is not None: os.fchdir(folder)
except OSError: pass # it can't be entered any more
sys._k2_place = {}, None
try:
    if folder is not None: os.close(folder)
except OSError: pass # the code closed it
""", {})`},

	"r": {`local({
text <- function(digits) {
  if (digits == "") return("")
  n <- utf8ToInt(digits)
  n <- ifelse(n > 57L, n - 87L, n - 48L)
  rawToChar(as.raw(n[c(TRUE, FALSE)] * 16L + n[c(FALSE, TRUE)]))
}
pairs <- strsplit("{env}", " ")[[1]]
env <- vapply(sub(".*=", "", pairs), text, "")
names(env) <- vapply(sub("=.*", "", pairs), text, "")
cwd <- text("{cwd}")
options(k2.place = list(env = vapply(names(env), Sys.getenv, "", unset = NA), cwd = if (cwd != "") getwd()))
if (length(env)) do.call(Sys.setenv, as.list(env))
if (cwd != "") setwd(cwd)
invisible()
}, envir = new.env(parent = baseenv()))`, `local({
place <- getOption("k2.place")
gone <- is.na(place$env)
if (any(gone)) Sys.unsetenv(names(place$env)[gone])
if (any(!gone)) do.call(Sys.setenv, as.list(place$env[!gone]))
if (!is.null(place$cwd)) try(setwd(place$cwd), silent = TRUE)
options(k2.place = NULL)
invisible()
}, envir = new.env(parent = baseenv()))`},

	"octave": {`k2_.text = @(digits) char(sscanf(digits, "%2x")');
k2_.env = regexp("{env}", '(\w+)=(\w*)', "tokens");
k2_.names = cellfun(@(pair) k2_.text(pair{1}), k2_.env, "UniformOutput", false);
k2_.values = cellfun(@(pair) k2_.text([pair{2:end}]), k2_.env, "UniformOutput", false);
k2_.cwd = k2_.text("{cwd}");
k2_.old = cellfun(@getenv, k2_.names, "UniformOutput", false);
if exist("isenv"), k2_.had = cellfun(@isenv, k2_.names); else, k2_.had = !cellfun(@isempty, k2_.old); end
k2_.folder = ""; if !isempty(k2_.cwd), k2_.folder = pwd(); end
setappdata(0, "k2_place", k2_);
cellfun(@setenv, k2_.names, k2_.values);
if !isempty(k2_.cwd), cd(k2_.cwd); end
clear k2_`, `k2_ = getappdata(0, "k2_place");
if !isempty(k2_)
  cellfun(@setenv, k2_.names(k2_.had), k2_.old(k2_.had));
  cellfun(@unsetenv, k2_.names(!k2_.had));
  if !isempty(k2_.folder), try, cd(k2_.folder); end_try_catch, end
  setappdata(0, "k2_place", []);
end
clear k2_`},

	"julia": {`let
  text = digits -> String(hex2bytes(digits))
  env = [text(pair[1]) => text(pair[2]) for pair in split.(split("{env}"), "=")]
  cwd = text("{cwd}")
  global var"#k2_place" = ([name => get(ENV, name, nothing) for (name, _) in env], isempty(cwd) ? nothing : pwd())
  for (name, value) in env
    ENV[name] = value
  end
  isempty(cwd) || cd(cwd)
  nothing
end`, `let
  global var"#k2_place"
  before, folder = @isdefined(var"#k2_place") ? var"#k2_place" : ([], nothing)
  for (name, value) in before
    if value === nothing
      delete!(ENV, name)
    else
      ENV[name] = value
    end
  end
  if folder !== nothing
    try
      cd(folder)
    catch
    end
  end
  var"#k2_place" = ([], nothing)
  nothing
end`},

	"ruby": {`lambda do
  text = lambda { |digits| [digits].pack("H*").force_encoding("UTF-8") }
  env = "{env}".split.map { |pair| pair.split("=", 2).map(&text) }.to_h
  cwd = text.call("{cwd}")
  $k2_place = [env.keys.map { |name| [name, ENV[name]] }, cwd.empty? ? nil : Dir.pwd]
  env.each { |name, value| ENV[name] = value }
  Dir.chdir(cwd) unless cwd.empty?
  nil
end.call`, `lambda do
  before, folder = $k2_place
  (before || []).each { |name, value| ENV[name] = value }
  begin
    Dir.chdir(folder) if folder
  rescue SystemCallError
  end
  $k2_place = nil
end.call`},

	"javascript": {`(() => {
  const text = (digits) => Buffer.from(digits, 'hex').toString()
  const env = '{env}'.split(' ').filter(Boolean).map((pair) => pair.split('=').map(text))
  const cwd = text('{cwd}')
  const place = { env: env.map(([name]) => [name, process.env[name]]), cwd: cwd && process.cwd() }
  Object.defineProperty(process, '_k2_place', { value: place, configurable: true, enumerable: false })
  for (const [name, value] of env) process.env[name] = value
  if (cwd) process.chdir(cwd)
})()`, `(() => {
  const { env = [], cwd } = process._k2_place || {}
  for (const [name, value] of env) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
  try {
    if (cwd) process.chdir(cwd)
  } catch {}
  delete process._k2_place
})()`},
}
