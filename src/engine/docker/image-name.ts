const REPOSITORY = 'k2-image'

/** A name, so that `docker image prune` leaves it alone. */
export function imageName(instance: string, id: string): { repo: string; tag: string } {
  return { repo: REPOSITORY, tag: `${instance}-${id}` }
}

/** Nobody else has named it: an image that was built upon one of ours has its labels, and a name of its own. */
export function isNamedByUs({ RepoTags }: { RepoTags?: string[] | null | undefined }): boolean {
  return (RepoTags ?? []).every((name) => name.startsWith(`${REPOSITORY}:`) || name === '<none>:<none>')
}
