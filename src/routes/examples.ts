/** Values that the document's examples share. */
export const ID = '4f2k8m1x9q7w3z5c6v0b'

export const SANDBOX = {
  sandbox_id: ID,
  status: 'running',
  name: 'crawler',
  reason: null,
  template: 'k2data/sandbox-base:latest',
  cwd: '/home/user',
  user: 'user',
  timeout: 300,
  created_at: '2026-01-15T09:30:00.000Z',
  expires_at: '2026-01-15T09:35:00.000Z',
  metadata: { team: 'search' },
  resources: { cpus: 1, memory_mb: 1024, pids: 512, disk_mb: null },
  network: 'internet',
  volumes: [],
  on_timeout: 'delete',
  auto_resume: false,
  max_lifetime: null,
  warm: false,
  origin: null,
}

export const SNAPSHOT = {
  snapshot_id: '9d3h5k7m2p4r6t8v1x0z',
  name: 'before-upgrade',
  status: 'ready',
  metadata: { team: 'search' },
  sandbox_id: ID,
  template: 'k2data/sandbox-base:latest',
  cwd: '/home/user',
  user: 'user',
  resources: { cpus: 1, memory_mb: 1024, pids: 512, disk_mb: null },
  network: 'internet',
  size_bytes: 18_874_368,
  tracks_changes: true,
  created_at: '2026-01-15T09:32:00.000Z',
  kept: ['files'],
  not_kept: ['processes', 'memory', 'mounts'],
}

export const USAGE = { cpu_seconds: 0.012, peak_memory_bytes: 9_437_184, wall_seconds: 0.018 }
