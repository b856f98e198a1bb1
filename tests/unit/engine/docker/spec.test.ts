import { expect, test } from 'vitest'
import { MASKED_PATHS } from '../../../../src/engine/docker/masked-paths.ts'
import { containerSpec, type SpecFacts } from '../../../../src/engine/docker/spec.ts'
import type { SandboxSpec } from '../../../../src/engine/types.ts'

const MEBIBYTE = 1024 * 1024

function spec(changes: Partial<SandboxSpec> = {}): SandboxSpec {
  return {
    id: 'abcdefghij0123456789',
    template: { reference: 'python:3.13', imageId: 'sha256:aa', env: {}, user: null, workdir: null, volumes: [] },
    resources: { cpus: 1.5, memoryMb: 512, pids: 512, diskMb: null },
    network: 'internet',
    record: '{"template":"python:3.13"}',
    ...changes,
  }
}

function facts(changes: Partial<SpecFacts> = {}): SpecFacts {
  return {
    instance: 'test',
    secret: Buffer.alloc(32, 7),
    link: 'dial',
    runDir: '/data/run/abcdefghij0123456789',
    agentVolume: 'k2-agent-0123',
    network: 'k2-test',
    seccompProfile: '{"defaultAction":"SCMP_ACT_ERRNO"}',
    openFilesHard: 16_384,
    diskLimit: false,
    ...changes,
  }
}

test('the container of a sandbox on the dial link is exactly this', () => {
  expect(JSON.parse(JSON.stringify(containerSpec(spec(), facts())))).toMatchInlineSnapshot(`
    {
      "AttachStderr": false,
      "AttachStdin": false,
      "AttachStdout": false,
      "Cmd": [
        "serve",
        "--dial",
        "/.k2run/link.sock",
      ],
      "Entrypoint": [
        "/.k2/agent",
      ],
      "Env": [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LD_PRELOAD=",
        "LD_LIBRARY_PATH=",
        "GODEBUG=",
        "GOGC=",
        "GOMAXPROCS=",
        "GOMEMLIMIT=48MiB",
        "GOTRACEBACK=",
        "K2_AGENT_TOKEN=ff761aac5412f4ac32bfad30881fa61db49aec4964d646a41f8ffcb1882219e2",
      ],
      "Healthcheck": {
        "Test": [
          "NONE",
        ],
      },
      "HostConfig": {
        "AutoRemove": false,
        "CapAdd": [
          "CHOWN",
          "DAC_OVERRIDE",
          "FOWNER",
          "FSETID",
          "KILL",
          "SETGID",
          "SETUID",
        ],
        "CapDrop": [
          "ALL",
        ],
        "CgroupnsMode": "private",
        "CpuShares": 1536,
        "Init": false,
        "IpcMode": "private",
        "LogConfig": {
          "Config": {},
          "Type": "none",
        },
        "MaskedPaths": [
          "/proc/acpi",
          "/proc/asound",
          "/proc/cmdline",
          "/proc/interrupts",
          "/proc/kallsyms",
          "/proc/kcore",
          "/proc/keys",
          "/proc/latency_stats",
          "/proc/sched_debug",
          "/proc/scsi",
          "/proc/timer_list",
          "/proc/timer_stats",
          "/sys/block",
          "/sys/class/dmi",
          "/sys/devices/virtual/dmi",
          "/sys/devices/virtual/powercap",
          "/sys/firmware",
        ],
        "Memory": 536870912,
        "MemorySwap": 536870912,
        "Mounts": [
          {
            "ReadOnly": true,
            "Source": "k2-agent-0123",
            "Target": "/.k2",
            "Type": "volume",
            "VolumeOptions": {
              "DriverConfig": {
                "Name": "",
                "Options": {},
              },
              "Labels": {},
              "NoCopy": true,
            },
          },
          {
            "BindOptions": {
              "Propagation": "rprivate",
            },
            "ReadOnly": true,
            "Source": "/data/run/abcdefghij0123456789",
            "Target": "/.k2run",
            "Type": "bind",
          },
        ],
        "NanoCpus": 1500000000,
        "NetworkMode": "k2-test",
        "OomScoreAdj": 300,
        "PidMode": "",
        "PidsLimit": 512,
        "PortBindings": {},
        "Privileged": false,
        "PublishAllPorts": false,
        "ReadonlyPaths": [
          "/proc/bus",
          "/proc/fs",
          "/proc/irq",
          "/proc/sys",
          "/proc/sysrq-trigger",
        ],
        "ReadonlyRootfs": false,
        "RestartPolicy": {
          "MaximumRetryCount": 0,
          "Name": "no",
        },
        "SecurityOpt": [
          "no-new-privileges:true",
          "seccomp={"defaultAction":"SCMP_ACT_ERRNO"}",
        ],
        "ShmSize": 67108864,
        "Tmpfs": {},
        "UTSMode": "",
        "Ulimits": [
          {
            "Hard": 16384,
            "Name": "nofile",
            "Soft": 4096,
          },
          {
            "Hard": 0,
            "Name": "core",
            "Soft": 0,
          },
          {
            "Hard": 65536,
            "Name": "memlock",
            "Soft": 65536,
          },
          {
            "Hard": 819200,
            "Name": "msgqueue",
            "Soft": 819200,
          },
        ],
        "UsernsMode": "",
      },
      "Hostname": "sandbox",
      "Image": "sha256:aa",
      "Labels": {
        "k2.id": "abcdefghij0123456789",
        "k2.instance": "test",
        "k2.kind": "sandbox",
        "k2.link": "dial",
        "k2.record": "{"template":"python:3.13"}",
        "k2.signature": "c1a9d95a5c6a734c125b26a9a77b25a9c4e24f2869a371b8cb09c4c1b1afff6a",
      },
      "OpenStdin": false,
      "StopSignal": "SIGKILL",
      "Tty": false,
      "User": "0",
      "WorkingDir": "/",
    }
  `)
})

test('the exec link has the agent listen on a small tmpfs of root instead of a folder of the host', () => {
  const { Cmd, Env, HostConfig } = containerSpec(spec(), facts({ link: 'exec' }))
  expect(Cmd).toEqual(['serve', '--listen', '/.k2run/agent.sock'])
  expect(HostConfig?.Tmpfs).toEqual({ '/.k2run': 'rw,nosuid,nodev,noexec,size=64k,nr_inodes=16,mode=0700' })
  expect(HostConfig?.Mounts?.map(({ Type }) => Type)).toEqual(['volume'])
  expect(Env?.filter((pair) => pair.startsWith('K2_AGENT_TOKEN'))).toEqual(['K2_AGENT_TOKEN'])
})

test('no variable of the image reaches PID 1, and what steers loader and runtime is set by us', () => {
  const env = { GODEBUG: 'http2debug=2', LD_PRELOAD: '/evil.so', GREETING: 'hello', K2_AGENT_TOKEN: 'x', PATH: '/evil' }
  const { Env } = containerSpec(spec({ template: { ...spec().template, env } }), facts())
  expect(Env).toContain('GREETING')
  expect(Env).toContain('GODEBUG=')
  expect(Env).toContain('LD_PRELOAD=')
  expect(Env?.filter((pair) => pair.includes('evil') || pair === 'K2_AGENT_TOKEN=x')).toEqual([])
  expect(Env?.filter((pair) => pair.startsWith('K2_AGENT_TOKEN='))).toHaveLength(1)
})

test('volumes of the image become tmpfs that together take a quarter of the memory', () => {
  const template = { ...spec().template, volumes: ['/data', '/var/lib/db/'] }
  const { HostConfig } = containerSpec(spec({ template }), facts())
  expect(Object.keys(HostConfig?.Tmpfs ?? {})).toEqual(['/data', '/var/lib/db'])
  expect(HostConfig?.Tmpfs?.['/data']).toContain(`size=${64 * MEBIBYTE},nr_inodes=16k`)
})

test.for(['/', '/.k2', '/.k2/agent', '/.k2run', '/proc/x', '/dev', 'relative', '/a/../proc', '/a\nb'])(
  'an image that declares the volume %j is refused',
  (volume) => {
    const template = { ...spec().template, volumes: [volume] }
    expect(() => containerSpec(spec({ template }), facts())).toThrow(
      expect.objectContaining({ code: 'TEMPLATE_INVALID' }),
    )
  },
)

test('the disk limit is sent only where the engine has one', () => {
  const resources = { ...spec().resources, diskMb: 100 }
  expect(containerSpec(spec({ resources }), facts()).HostConfig?.StorageOpt).toBeUndefined()
  expect(containerSpec(spec({ resources }), facts({ diskLimit: true })).HostConfig?.StorageOpt).toEqual({
    size: '100m',
  })
})

test('an engine that grants fewer open files lowers the soft limit with the hard one', () => {
  const { HostConfig } = containerSpec(spec(), facts({ openFilesHard: 1024 }))
  expect(HostConfig?.Ulimits).toContainEqual({ Name: 'nofile', Soft: 1024, Hard: 1024 })
  expect(containerSpec(spec(), facts({ openFilesHard: null })).HostConfig?.Ulimits).not.toContainEqual(
    expect.objectContaining({ Name: 'nofile' }),
  )
})

/** Fields a client can choose, with values at and beyond the edges of what routes let through. */
const CHOICES: Partial<SandboxSpec>[] = [
  { network: 'none' },
  { record: '{"k2.kind":"probe","Privileged":true}' },
  { resources: { cpus: 0.01, memoryMb: 6, pids: 1, diskMb: 1 } },
  { resources: { cpus: 64, memoryMb: 1_000_000, pids: 1_000_000, diskMb: 1_000_000 } },
  {
    template: { ...spec().template, env: { 'A=B': 'c', '--privileged': '1', '': 'x' }, user: 'root', workdir: '/proc' },
  },
]

test('nothing that a client chooses changes a security field', () => {
  const fixed = security(spec())
  for (const choice of CHOICES) expect(security(spec(choice))).toEqual(fixed)
  expect(fixed.MaskedPaths).toEqual(MASKED_PATHS)
})

function security(of: SandboxSpec) {
  const { HostConfig, ...body } = containerSpec(of, facts())
  const { NetworkMode, Memory, MemorySwap, NanoCpus, CpuShares, PidsLimit, ShmSize, ...host } = HostConfig ?? {}
  const { Env, Labels, Image, ...rest } = body
  expect(['none', 'k2-test']).toContain(NetworkMode)
  return { ...host, ...rest }
}
