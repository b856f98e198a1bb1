import { BatchRequest, BatchResponse, BatchResult, BatchStep, FileContent, FileRead, StepError } from './batch.ts'
import { Bytes, FileForm } from './bytes.ts'
import { CodeExecution, ExecutionError, ExecutionResponse, LogLine, Logs, Result } from './code.ts'
import { CommandExecution, CommandResponse } from './command.ts'
import { Context, ContextCreate, ContextDeleted, ContextList } from './context.ts'
import { Event, EventMessage, EventPage } from './event.ts'
import { Usage } from './execution.ts'
import {
  ArchiveUnpacked,
  FileAttributesRequest,
  FileCopyRequest,
  FileDeleted,
  FileMatches,
  FileMoveRequest,
  FilesWritten,
  FolderCreateRequest,
  GrepRequest,
  GrepResponse,
} from './file.ts'
import { FileInfo, FileSystemAction, FileSystemResponse } from './filesystem.ts'
import { Health, Message, Readiness } from './health.ts'
import { LanguageInfo, LanguageList } from './language.ts'
import { ExecutionEvent } from './live.ts'
import { PoolDeleted, PoolInfo, PoolList, PoolUpdate } from './pool.ts'
import { PortInfo, PortList, PortStatus } from './port.ts'
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
import { RunRequest, RunResponse } from './run.ts'
import {
  DeleteResponse,
  Resources,
  ResourcesRequest,
  SandboxAction,
  SandboxCreate,
  SandboxCreated,
  SandboxInfo,
  SandboxList,
  SandboxResponse,
  SandboxUpdate,
} from './sandbox.ts'
import { WatchEvent } from './watch.ts'

/** Every schema with an `$id`, each after those it refers to. The root app adds them in this order. */
export const allSchemas = [
  Problem,
  Bytes,
  FileForm,
  Message,
  Health,
  Readiness,
  ResourcesRequest,
  SandboxCreate,
  Resources,
  SandboxInfo,
  SandboxResponse,
  SandboxCreated,
  SandboxUpdate,
  SandboxList,
  SandboxAction,
  Event,
  EventMessage,
  EventPage,
  PoolUpdate,
  PoolInfo,
  PoolList,
  PoolDeleted,
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
  FileDeleted,
  FilesWritten,
  FolderCreateRequest,
  FileMoveRequest,
  FileCopyRequest,
  FileAttributesRequest,
  FileMatches,
  GrepRequest,
  GrepResponse,
  WatchEvent,
  ArchiveUnpacked,
  TerminalSize,
  ProcessCreate,
  ProcessInfo,
  ProcessList,
  ProcessSignalRequest,
  ProcessInputRequest,
  ProcessOutput,
  ProcessDeleted,
  PortInfo,
  PortList,
  PortStatus,
  FileContent,
  FileRead,
  BatchStep,
  BatchRequest,
  StepError,
  BatchResult,
  BatchResponse,
  RunRequest,
  RunResponse,
]
