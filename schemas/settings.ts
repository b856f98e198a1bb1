import { type Static, Type } from './typebox.ts'

/**
 * Every setting of the server, once: its type, limits, default and meaning.
 * Read from `K2_<NAME>` and from `--<name>` (with dashes); `--help` and the README's table come from here.
 */
export const Settings = Type.Object({
  HOST: Type.String({ default: '127.0.0.1', minLength: 1, description: 'Address to listen on.' }),
  PORT: Type.Integer({
    default: 8000,
    minimum: 0,
    maximum: 65535,
    description: 'Port to listen on; 0 takes a free one.',
  }),
  UNSAFE_LISTEN: Type.Boolean({
    default: false,
    description: 'Allows HOST to be an address other machines can reach, although this version has no API keys.',
  }),
  DATA_DIR: Type.String({
    default: '',
    description:
      'Folder of the database, the link sockets and the logs. Empty: $XDG_DATA_HOME/k2-sandbox or ~/.local/share/k2-sandbox.',
  }),
  INSTANCE: Type.String({
    default: 'default',
    pattern: '^[a-z0-9][a-z0-9-]{0,30}$',
    description:
      'Name of this server on its engine. Servers that share an engine need different names and data folders.',
  }),
  ENGINE: Type.Union([Type.Literal('docker'), Type.Literal('local')], {
    default: 'docker',
    description: 'What runs sandboxes: docker, or local (ordinary processes, isolates NOTHING; development only).',
  }),
  DOCKER_HOST: Type.String({
    default: '',
    description:
      'unix:///path or tcp://host:port of the Docker engine. Empty: DOCKER_HOST, else unix:///var/run/docker.sock.',
  }),
  LINK: Type.Union([Type.Literal('auto'), Type.Literal('dial'), Type.Literal('exec')], {
    default: 'auto',
    description:
      'How the server reaches the agents: dial (fast, engine on the same kernel), exec (any engine), auto (probed at start).',
  }),
  AGENT_BINARY: Type.String({
    default: '',
    description: 'Path of the static agent. Empty: the one that set-up built.',
  }),
  ALLOWED_HOSTS: Type.String({
    default: '',
    description: 'Further names (comma separated) that the Host header may carry; loopback names always may.',
  }),
  ALLOWED_ORIGINS: Type.String({
    default: '',
    description:
      'Origins (comma separated) of web pages whose requests are accepted. Answers carry no CORS headers: a proxy in front adds them.',
  }),
  PREVIEW_DOMAIN: Type.String({
    default: 'localhost',
    description:
      'Servers of sandboxes are web sites of their own at `{port}-{sandbox_id}.` this domain, which must lead here with all names below it (as those of `localhost` do in browsers). Not a domain that the API or another site of yours is under. Empty: none.',
  }),
  UNSAFE_NETWORK: Type.Boolean({
    default: false,
    description:
      "Allow network `internet` also where its rules can't be installed: sandboxes then reach this host, private networks and the cloud's metadata.",
  }),
  LOG_LEVEL: Type.Union(
    ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'].map((level) => Type.Literal(level)),
    { default: 'info', description: 'fatal, error, warn, info, debug, trace or silent.' },
  ),
  DEFAULT_TEMPLATE: Type.String({
    default: 'k2data/sandbox-base:latest',
    minLength: 1,
    maxLength: 255,
    pattern: '^[^\\u0000-\\u0020]+$',
    description: 'Image of a sandbox whose create names none.',
  }),
  DEFAULT_TIMEOUT: Type.Integer({
    default: 300,
    minimum: 1,
    description: 'Seconds of inactivity after which a sandbox ends.',
  }),
  MAX_TIMEOUT: Type.Integer({
    default: 86400,
    minimum: 1,
    description:
      'Most seconds a create or set_timeout may ask for. Below the default timeout that is built in, it becomes the default.',
  }),
  MAX_LIFETIME: Type.Integer({
    default: 0,
    minimum: 0,
    description:
      'Seconds from its creation after which every sandbox is deleted, used or not; a create may ask for less (max_lifetime). 0: no end.',
  }),
  DEFAULT_CPUS: Type.Number({ default: 1, minimum: 0.05, description: 'Cores of a sandbox.' }),
  MAX_CPUS: Type.Number({ default: 0, minimum: 0, description: "Most cores a create may ask for; 0: the machine's." }),
  DEFAULT_MEMORY_MB: Type.Integer({ default: 1024, minimum: 128, description: 'Memory of a sandbox in MiB.' }),
  MAX_MEMORY_MB: Type.Integer({
    default: 8192,
    minimum: 128,
    description: 'Most memory a create may ask for, in MiB.',
  }),
  DEFAULT_PIDS: Type.Integer({
    default: 512,
    minimum: 96,
    description: 'Processes and threads of a sandbox, its agent included.',
  }),
  MAX_PIDS: Type.Integer({
    default: 4096,
    minimum: 96,
    description: 'Most processes and threads a create may ask for.',
  }),
  DEFAULT_DISK_MB: Type.Integer({
    default: 0,
    minimum: 0,
    description:
      'Writable disk of a sandbox in MiB, where the engine can limit it (overlay2 on XFS with pquota); 0: no limit.',
  }),
  MAX_DISK_MB: Type.Integer({ default: 102400, minimum: 1, description: 'Most disk a create may ask for, in MiB.' }),
  MAX_SANDBOXES: Type.Integer({
    default: 1000,
    minimum: 1,
    description: 'Most sandboxes at once, stopped ones included.',
  }),
  MAX_VOLUMES: Type.Integer({ default: 256, minimum: 1, description: 'Most volumes.' }),
  MAX_SNAPSHOTS: Type.Integer({
    default: 100,
    minimum: 0,
    description: 'Most snapshots at once; each keeps what its sandbox wrote on the disk of the engine.',
  }),
  MAX_STARTS: Type.Integer({
    default: 8,
    minimum: 1,
    maximum: 64,
    description: 'Sandboxes that start at the same time; others queue.',
  }),
  MAX_QUEUED_STARTS: Type.Integer({ default: 256, minimum: 0, description: 'Longest queue of starts; beyond it 503.' }),
  POOL_SIZE: Type.Integer({
    default: 2,
    minimum: 0,
    maximum: 100,
    description:
      'Sandboxes of the default template that wait ready, so that a create is answered in milliseconds. Each takes about 20 MiB. 0: none.',
  }),
  MAX_POOLED: Type.Integer({
    default: 100,
    minimum: 0,
    description: 'Most sandboxes that all pools together may keep ready. They do not count as K2_MAX_SANDBOXES.',
  }),
  POOL_IDLE: Type.Integer({
    default: 1800,
    minimum: 0,
    description: 'Seconds after which a pool that no create asked for is emptied, until the next one does. 0: never.',
  }),
  EVENTS_KEPT: Type.Integer({
    default: 100_000,
    minimum: 100,
    description: 'How many of the latest events are kept for GET /events.',
  }),
  WEBHOOK_NETWORKS: Type.String({
    default: '',
    description:
      'Networks (comma separated, as 10.1.0.0/16) that webhooks may reach although they are not on the public internet, also without TLS.',
  }),
  START_TIMEOUT: Type.Integer({
    default: 60,
    minimum: 1,
    description: 'Seconds until a sandbox must answer after its start began.',
  }),
  PULL_TIMEOUT: Type.Integer({
    default: 600,
    minimum: 1,
    description: 'Seconds that pulling a missing image may take.',
  }),
  STOP_GRACE: Type.Integer({
    default: 10,
    minimum: 0,
    maximum: 300,
    description: 'Seconds that processes have between SIGTERM and SIGKILL when a sandbox is stopped.',
  }),
  DEFAULT_OUTPUT_KB: Type.Integer({
    default: 4096,
    minimum: 1,
    description: 'KiB kept of each of stdout and stderr of a command or a run; a call may ask for another limit.',
  }),
  MAX_OUTPUT_KB: Type.Integer({
    default: 65536,
    minimum: 1,
    description: 'Most KiB of output a call may ask to keep.',
  }),
  MAX_FILE_MB: Type.Integer({
    default: 64,
    minimum: 1,
    maximum: 256,
    description: 'Largest file, in MiB, that the filesystem endpoint reads or writes.',
  }),
  MAX_UPLOAD_MB: Type.Integer({
    default: 10240,
    minimum: 1,
    maximum: 1_048_576,
    description: 'Largest upload of raw bytes to a running sandbox, in MiB: a file, or an archive with what is in it.',
  }),
  BUFFER_MB: Type.Integer({
    default: 256,
    minimum: 16,
    description:
      'MiB of bodies, outputs and files that all requests together may hold (copies on the way out take about three times as much again). Beyond it: 503, and output is cut.',
  }),
  MAX_TEMPLATES: Type.Integer({
    default: 200,
    minimum: 0,
    description: 'Most templates that are registered or built.',
  }),
  MAX_BUILDS: Type.Integer({
    default: 1,
    minimum: 1,
    maximum: 16,
    description: 'Builds of templates at the same time; others queue.',
  }),
  MAX_QUEUED_BUILDS: Type.Integer({ default: 16, minimum: 0, description: 'Longest queue of builds; beyond it 503.' }),
  BUILD_TIMEOUT: Type.Integer({
    default: 1800,
    minimum: 1,
    description: 'Seconds that the build of a template may take.',
  }),
  MAX_TEMPLATE_MB: Type.Integer({
    default: 10240,
    minimum: 1,
    description: 'MiB that a build may add to the image that it begins with.',
  }),
  BUILD_LOG_KB: Type.Integer({
    default: 1024,
    minimum: 16,
    maximum: 65536,
    description: 'KiB kept of the log of a build, the latest.',
  }),
  BUILD_CACHE_MB: Type.Integer({
    default: 10240,
    minimum: 0,
    description:
      'MiB of images of single steps that are kept so that the same steps are not done again; those used longest ago go first. 0: none.',
  }),
  SHUTDOWN_GRACE: Type.Integer({
    default: 10,
    minimum: 0,
    maximum: 600,
    description: 'Seconds that requests in flight have to finish after SIGTERM.',
  }),
})
export type Settings = Static<typeof Settings>
