import { LanguageList } from '../../schemas/language.ts'
import { Ref } from '../../schemas/typebox.ts'
import type { AvailableLanguage, CallOptions } from '../core/model.ts'
import type { TypedApp } from '../http/app-type.ts'
import { clientGone } from '../http/client-gone.ts'
import { operation } from '../http/operation.ts'
import { INSIDE_ERRORS, SandboxParams } from './sandbox-id.ts'

export interface LanguageRoutesOptions {
  languages: { list(id: string, options: CallOptions): Promise<AvailableLanguage[]> }
}

export async function languageRoutes(app: TypedApp, { languages }: LanguageRoutesOptions): Promise<void> {
  app.get('/sandboxes/:sandbox_id/languages', { schema: listLanguages }, async ({ params }, reply) => ({
    languages: await languages.list(params.sandbox_id, { signal: clientGone(reply) }),
  }))
}

const listLanguages = operation({
  operationId: 'listLanguages',
  tag: 'execution',
  summary: 'List the languages of a sandbox',
  description:
    'Looks for the interpreters and compilers of the languages that this server knows, and asks each for its version. Counts as use of the sandbox.',
  params: SandboxParams,
  answer: Ref(LanguageList),
  answerExamples: {
    two: {
      languages: [
        { name: 'python', aliases: ['python3', 'py'], stateful: true, program: 'python3', version: '3.13.5' },
        { name: 'perl', aliases: [], stateful: false, program: 'perl', version: '5.40.1' },
      ],
    },
  },
  errors: [...INSIDE_ERRORS, 'TOO_MANY_PROCESSES'],
})
