/** A set-up step that can't go on. `message` is one sentence with what to do; it is all that the operator sees. */
export class SetupError extends Error {
  override readonly name = 'SetupError'
}

/** Why no engine answered at `address`, from the error of the attempt (Node's `code`, or the engine's `statusCode`). */
export function describeUnreachableEngine(thrown: unknown, address: string): string {
  const { code, statusCode } = thrown as { code?: string; statusCode?: number }
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return (
        `The Docker engine at ${address} refuses this user (permission denied on the socket): ` +
        'run `sudo usermod -aG docker "$USER"` and log in again, or run this as root.'
      )
    case 'ENOENT':
    case 'ENOTSOCK':
      return `There is no Docker engine at ${address}: install Docker, or set K2_DOCKER_HOST to where it listens.`
    case 'ECONNREFUSED':
      return `The Docker engine at ${address} is not running: start it (\`sudo systemctl start docker\`), or set K2_DOCKER_HOST.`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `The host of the Docker engine ${address} is not known: check the name in K2_DOCKER_HOST or DOCKER_HOST.`
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ABORT_ERR':
      return `The Docker engine at ${address} does not answer: check that it runs and that this machine can reach it.`
  }
  if (statusCode)
    return `What answers at ${address} is not a Docker engine (status ${statusCode}): check K2_DOCKER_HOST.`
  return `The Docker engine at ${address} can't be used (${messageOf(thrown)}): check K2_DOCKER_HOST or DOCKER_HOST.`
}

/** Why an image could not be made: the engine's own words where they say more than we can. */
export function describeFailedBuild(image: string, words: string, logPath: string): string {
  if (isDiskFull(words)) return describeFullDisk(`building ${image}`)
  if (
    /Could not resolve|Temporary failure (in name resolution|resolving)|Failed to fetch|Unable to connect/i.test(words)
  ) {
    return `${image} could not be built because its build reaches no Debian mirror: check that containers have network and DNS. Log: ${logPath}`
  }
  return `${image} could not be built: the last lines are above, all of it is in ${logPath}.`
}

export function describeFullDisk(during: string): string {
  return `The disk is full (${during}): free space where Docker keeps its data (\`docker system df\`), then run this again.`
}

/** `freeBytes` of `neededBytes` at `path`. */
export function describeLittleSpace(path: string, freeBytes: number, neededBytes: number): string {
  return `Only ${gigabytes(freeBytes)} are free at ${path} and ${gigabytes(neededBytes)} are needed: free some, then run this again.`
}

/** Why the base of the base can't be had: no registry to pull from, and no way to bootstrap it here. */
export function describeMissingBase(image: string, pullWords: string, bootstrapWords: string): string {
  return (
    `${image} is missing, no registry gave it (${firstLine(pullWords)}) and it could not be bootstrapped (${firstLine(bootstrapWords)}): ` +
    `load it with \`docker load\` or \`docker pull\` from a registry that this engine can reach.`
  )
}

export function isDiskFull(words: string): boolean {
  return /no space left on device|ENOSPC|enough free space/i.test(words)
}

export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

export function firstLine(words: string): string {
  return words.trim().split('\n', 1)[0]?.slice(0, 200) ?? ''
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`
}
