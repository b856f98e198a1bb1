import { SandboxError } from '../../errors.ts'
import { readDockerfile } from './dockerfile.ts'
import type { BuildSource } from './model.ts'
import { unusedArgs } from './plan.ts'
import { MOST_STEPS, type PlacedStep, type Recipe, type Step } from './step.ts'

/** Of a Dockerfile or of steps. DOCKERFILE_INVALID, INVALID_REQUEST. */
export function recipeOf({ dockerfile, from, steps, buildArgs }: BuildSource): Recipe {
  if (dockerfile === undefined) {
    if (from === undefined || steps === undefined)
      throw new SandboxError('INVALID_REQUEST', 'give `dockerfile`, or `from` with `steps`, or `image`')
    if (steps.length > MOST_STEPS)
      throw new SandboxError('INVALID_REQUEST', `${steps.length} steps are more than ${MOST_STEPS}; join some with &&`)
    return { from: quoted(from), globals: [], steps: steps.map(placed) }
  }
  const recipe = readDockerfile(dockerfile)
  const [unused] = unusedArgs(recipe, buildArgs)
  if (unused !== undefined)
    throw new SandboxError('INVALID_REQUEST', `build_args has ${unused}, for which the Dockerfile has no ARG; add one`)
  return recipe
}

/** It came as JSON: its texts are what they say. */
function placed(step: Step): PlacedStep {
  return { ...step, line: null, words: false, text: textOf(step) }
}

const quoted = (text: string) => `'${text}'`

function textOf(step: Step): string {
  const command = (value: string | string[]) => (Array.isArray(value) ? JSON.stringify(value) : value)
  switch (step.kind) {
    case 'run':
    case 'cmd':
    case 'entrypoint':
      return `${step.kind.toUpperCase()} ${command(step.command)}`
    case 'copy':
      return `COPY ${[...step.sources, step.target].join(' ')}`
    case 'env':
    case 'label':
      return `${step.kind.toUpperCase()} ${step.pairs.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(' ')}`
    case 'arg':
      return `ARG ${step.name}`
    case 'workdir':
      return `WORKDIR ${step.path}`
    case 'user':
      return `USER ${step.user}`
    case 'expose':
      return `EXPOSE ${step.ports.join(' ')}`
  }
}
