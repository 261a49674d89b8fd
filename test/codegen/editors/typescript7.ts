/** The language server of TypeScript 7. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type Cursor, type Editor, type Entry, type Hover, location, type Signature } from './editor.ts'
import { Rpc } from './rpc.ts'

const TSC = resolve(import.meta.dirname, '../../../node_modules/typescript/bin/tsc')

interface Position {
  readonly line: number
  readonly character: number
}
interface Range {
  readonly start: Position
  readonly end: Position
}
interface Location {
  readonly uri: string
  readonly range: Range
}
interface Help {
  readonly signatures: readonly {
    label: string
    parameters: readonly { label: string | [number, number] }[]
  }[]
  readonly activeSignature?: number
  readonly activeParameter?: number
}
interface Item {
  readonly label: string
  readonly tags?: readonly number[]
  readonly documentation?: { readonly value: string }
}
interface Edits {
  readonly changes: Readonly<Record<string, readonly { readonly range: Range }[]>>
}

/** @returns an editor with the project of `root` open. */
export const typescript7 = async (root: string): Promise<Editor> => {
  const child = spawn(process.execPath, [TSC, '--lsp', '--stdio'], {
    cwd: root,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const rpc = new Rpc(child)
  const opened = new Set<string>()
  const at = ({ file, offset }: Cursor) => {
    const path = join(root, file)
    const uri = pathToFileURL(path).href
    const text = readFileSync(path, 'utf8')
    const languageId = /\.[mc]?js$/.test(file) ? 'javascript' : 'typescript'
    if (!opened.has(file))
      rpc.notify('textDocument/didOpen', { textDocument: { uri, languageId, version: 1, text } })
    opened.add(file)
    return { textDocument: { uri }, position: positionAt(text, offset) }
  }
  await rpc.request('initialize', {
    processId: process.pid,
    rootUri: pathToFileURL(root).href,
    capabilities: CAPABILITIES,
  })
  rpc.notify('initialized', {})
  const place = ({ uri, range }: Location): string => {
    const path = fileURLToPath(uri)
    const text = readFileSync(path, 'utf8')
    return location(root, path, offsetAt(text, range.start), offsetAt(text, range.end))
  }
  return {
    async hover(cursor) {
      const found = await rpc.request<{ contents: { value: string } } | null>(
        'textDocument/hover',
        at(cursor),
      )
      return hoverOf(found?.contents.value ?? '')
    },
    async signature(cursor) {
      return signatureOf(await rpc.request('textDocument/signatureHelp', at(cursor)))
    },
    async definition(cursor) {
      return (
        (await rpc.request<readonly Location[] | null>('textDocument/definition', at(cursor))) ?? []
      ).map(place)
    },
    async rename(cursor) {
      const found = await rpc.request<Edits | null>('textDocument/rename', {
        ...at(cursor),
        newName: 'other',
      })
      const all = Object.entries(found?.changes ?? {})
      return all.flatMap(([uri, edits]) => edits.map(({ range }) => place({ uri, range }))).sort()
    },
    async completion(cursor) {
      const found = await rpc.request<{ items: readonly Item[] } | null>(
        'textDocument/completion',
        at(cursor),
      )
      const items = (found?.items ?? []).map((item) => rpc.request<Item>('completionItem/resolve', item))
      return (await Promise.all(items)).map(entryOf)
    },
    async [Symbol.asyncDispose]() {
      const closed = once(child, 'close')
      child.kill('SIGKILL')
      await closed
    },
  }
}

/** The code stands between fences, the comment after them. */
const hoverOf = (markdown: string): Hover => {
  const [, code = '', comment = ''] = /^```\w+\n([\s\S]*?)\n```\n?([\s\S]*)$/.exec(markdown) ?? []
  return { code, comment: plain(comment) }
}

/** `*@param* `to` — whom` as it was written. */
const plain = (markdown: string): string =>
  markdown
    .replace(/\*(@\w+)\*/g, '$1')
    .replace(/`/g, '')
    .replace(/ — /g, ' ')
    .replace(/\n+/g, '\n')
    .trim()

const signatureOf = (help: Help | null): Signature => {
  const one = help?.signatures[help.activeSignature ?? 0]
  const parameters = (one?.parameters ?? []).map(({ label }) =>
    typeof label === 'string' ? label : (one?.label.slice(...label) ?? ''),
  )
  return { label: one?.label ?? '', parameters, active: help?.activeParameter ?? 0 }
}

const entryOf = ({ label, tags = [], documentation }: Item): Entry => ({
  name: label,
  deprecated: tags.includes(1),
  comment: plain(documentation?.value ?? ''),
})

const CAPABILITIES = {
  textDocument: {
    hover: { contentFormat: ['markdown'] },
    completion: {
      completionItem: {
        tagSupport: { valueSet: [1] },
        documentationFormat: ['markdown'],
        deprecatedSupport: true,
      },
    },
    definition: { linkSupport: false },
    signatureHelp: { signatureInformation: { parameterInformation: { labelOffsetSupport: true } } },
  },
}

const positionAt = (text: string, offset: number): Position => {
  const lines = text.slice(0, offset).split('\n')
  return { line: lines.length - 1, character: lines.at(-1)?.length ?? 0 }
}

const offsetAt = (text: string, { line, character }: Position): number =>
  text.split('\n').slice(0, line).join('\n').length + (line === 0 ? 0 : 1) + character
