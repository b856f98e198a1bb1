import type { ProgramExecution } from '../program-execution.ts'
import { shellCommand } from '../shell-command.ts'
import type { Command } from './step.ts'

/** A program with its arguments, or shell text; text that says by itself what reads it (`#!`) is run so. */
export function programOf(command: Command): Pick<ProgramExecution, 'argv' | 'script'> {
  if (Array.isArray(command)) return { argv: command }
  const [, interpreter] = /^#!\s*([^\n]+)\n/.exec(command) ?? []
  if (interpreter === undefined) return shellCommand(command)
  return { argv: [...interpreter.trim().split(/\s+/), '{script}'], script: { name: 'step', content: command } }
}
