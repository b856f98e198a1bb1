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
    'Looks for the interpreters and compilers of the languages that this server knows, asks each for its version, and adds the Jupyter kernels of the image. Counts as use of the sandbox.',
  params: SandboxParams,
  answer: Ref(LanguageList),
  answerExamples: {
    three: {
      languages: [
        {
          name: 'python',
          aliases: ['python3', 'py'],
          stateful: true,
          program: 'python3',
          version: '3.13.5',
          kernel: null,
        },
        { name: 'r', aliases: [], stateful: true, program: 'Rscript', version: '4.5.0', kernel: 'ir' },
        { name: 'perl', aliases: [], stateful: false, program: 'perl', version: '5.40.1', kernel: null },
      ],
    },
  },
  errors: [...INSIDE_ERRORS, 'TOO_MANY_PROCESSES'],
})
