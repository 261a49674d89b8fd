/** The language service of TypeScript 6, which editors run until they move to 7. */
import { join } from 'node:path'
import { Project, ts } from 'ts-morph'
import { type Cursor, type Editor, type Entry, type Hover, location, type Signature } from './editor.ts'

/** As editors have it: where `a` is renamed, `export { a }` becomes `export { b as a }`, and its importers stay. */
const PREFERENCES = { providePrefixAndSuffixTextForRename: true }

/** @returns an editor with the project of `root` open. */
export const typescript6 = async (root: string): Promise<Editor> => {
  // Not a service over a bare Program: the TypeScript inside ts-morph has no lib files on disk, its Project has.
  const project = new Project({ tsConfigFilePath: join(root, 'tsconfig.json') })
  const service = project.getLanguageService().compilerObject
  const path = ({ file }: Cursor): string => join(root, file)
  const place = (fileName: string, { start, length }: ts.TextSpan): string =>
    location(root, fileName, start, start + length)
  return {
    async hover(cursor) {
      const info = service.getQuickInfoAtPosition(path(cursor), cursor.offset)
      return { code: text(info?.displayParts), comment: comment(info?.documentation, info?.tags) }
    },
    async signature(cursor) {
      return signatureOf(service.getSignatureHelpItems(path(cursor), cursor.offset, undefined))
    },
    async definition(cursor) {
      const found = service.getDefinitionAtPosition(path(cursor), cursor.offset) ?? []
      return found.map((one) => place(one.fileName, one.textSpan))
    },
    async rename(cursor) {
      const found = service.findRenameLocations(path(cursor), cursor.offset, false, false, PREFERENCES) ?? []
      return found.map((one) => place(one.fileName, one.textSpan)).sort()
    },
    async completion(cursor) {
      const found = service.getCompletionsAtPosition(path(cursor), cursor.offset, undefined)
      return (found?.entries ?? []).map((one) => entryOf(service, path(cursor), cursor.offset, one))
    },
    async [Symbol.asyncDispose]() {
      service.dispose()
    },
  }
}

const text = (parts: readonly ts.SymbolDisplayPart[] | undefined): string =>
  ts.displayPartsToString([...(parts ?? [])])

const comment = (
  documentation: readonly ts.SymbolDisplayPart[] | undefined,
  tags: readonly ts.JSDocTagInfo[] = [],
): Hover['comment'] =>
  [text(documentation), ...tags.map((tag) => `@${tag.name} ${text(tag.text)}`.trim())].join('\n').trim()

const signatureOf = (help: ts.SignatureHelpItems | undefined): Signature => {
  const item = help?.items[help.selectedItemIndex]
  if (help === undefined || item === undefined) return { label: '', parameters: [], active: 0 }
  const parameters = item.parameters.map((one) => text(one.displayParts))
  const label = `${text(item.prefixDisplayParts)}${parameters.join(text(item.separatorDisplayParts))}${text(item.suffixDisplayParts)}`
  return { label, parameters, active: help.argumentIndex }
}

const entryOf = (
  service: ts.LanguageService,
  path: string,
  offset: number,
  entry: ts.CompletionEntry,
): Entry => {
  const { name, source, data, kindModifiers = '' } = entry
  const details = service.getCompletionEntryDetails(path, offset, name, undefined, source, undefined, data)
  return {
    name,
    deprecated: kindModifiers.split(',').includes('deprecated'),
    comment: comment(details?.documentation, details?.tags),
  }
}
