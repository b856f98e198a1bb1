import { Bytes } from './bytes.ts'
import { CodeExecution, ExecutionError, ExecutionResponse, LogLine, Logs, Result } from './code.ts'
import { CommandExecution, CommandResponse } from './command.ts'
import { Context, ContextCreate, ContextDeleted, ContextList } from './context.ts'
import { Usage } from './execution.ts'
import { FileInfo, FileSystemAction, FileSystemResponse } from './filesystem.ts'
import { Health, Message, Readiness } from './health.ts'
import { LanguageInfo, LanguageList } from './language.ts'
import { ExecutionEvent } from './live.ts'
import { Problem } from './problem.ts'
import {
  ProcessCreate,
  ProcessDeleted,
  ProcessInfo,
  ProcessInputRequest,
  ProcessList,
  ProcessOutput,
  ProcessSignalRequest,
  TerminalSize,
} from './process.ts'
import {
  DeleteResponse,
  Resources,
  ResourcesRequest,
  SandboxAction,
  SandboxCreate,
  SandboxInfo,
  SandboxList,
  SandboxResponse,
} from './sandbox.ts'

/** Every schema with an `$id`, each after those it refers to. The root app adds them in this order. */
export const allSchemas = [
  Problem,
  Bytes,
  Message,
  Health,
  Readiness,
  ResourcesRequest,
  SandboxCreate,
  Resources,
  SandboxInfo,
  SandboxResponse,
  SandboxList,
  SandboxAction,
  DeleteResponse,
  Usage,
  CommandExecution,
  CommandResponse,
  CodeExecution,
  LogLine,
  Logs,
  ExecutionError,
  Result,
  ExecutionResponse,
  ExecutionEvent,
  LanguageInfo,
  LanguageList,
  ContextCreate,
  Context,
  ContextList,
  ContextDeleted,
  FileSystemAction,
  FileInfo,
  FileSystemResponse,
  TerminalSize,
  ProcessCreate,
  ProcessInfo,
  ProcessList,
  ProcessSignalRequest,
  ProcessInputRequest,
  ProcessOutput,
  ProcessDeleted,
]
