import { isUtf8 } from 'node:buffer'
import type { BatchResult, BatchStep, FileContent, FileRead } from '../../schemas/batch.ts'
import type { Step, StepFile, StepResult } from '../core/batch/step.ts'
import { codeAnswer, toCode } from './code.ts'
import { commandAnswer, toCommand } from './command.ts'
import { decodeContent } from './decode-content.ts'
import { encodeBytes } from './execution-answer.ts'

/** The schema lets exactly one member through. */
export function toStep({ write, read, delete: remove, command, code }: BatchStep): Step {
  if (write) return toWrite(write)
  if (read) return { type: 'read', path: read.path }
  if (remove) return { type: 'delete', path: remove.path }
  if (command) return { type: 'command', command: toCommand(command) }
  if (code) return { type: 'code', code: toCode(code) }
  throw new Error('a step without a member passed its schema')
}

export function toWrite({ path, content, encoding, mode }: FileContent): Extract<Step, { type: 'write' }> {
  const bytes = decodeContent(content, encoding, 'content')
  return { type: 'write', path, content: bytes, mode: mode === undefined ? undefined : Number.parseInt(mode, 8) }
}

/** `encoding`: of a command's output. */
export function stepAnswer(result: StepResult, step: number, encoding: 'utf-8' | 'base64'): BatchResult {
  return {
    step,
    ok: result.ok,
    error: result.type === 'failed' ? { code: result.error.code, detail: result.error.message } : null,
    command: result.type === 'command' ? commandAnswer(result.result, encoding) : null,
    code: result.type === 'code' ? codeAnswer(result.result) : null,
    files: result.type === 'read' ? result.files.map(fileReadAnswer) : null,
  }
}

export function fileReadAnswer({ path, content }: StepFile): FileRead {
  const encoding = isUtf8(content) ? 'utf-8' : 'base64'
  return { path, content: encodeBytes(content, encoding), encoding, size: content.length }
}
