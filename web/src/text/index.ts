// All text that people read, in one place for each language. A language is a file
// beside en.ts with the same shape; the browser's setting chooses, and English
// stands in for what is not there.
import { en } from './en'

export type Text = typeof en

const languages: Record<string, Text> = { en }

const wanted = (globalThis.navigator?.languages ?? ['en']).map((l) => l.split('-')[0] ?? '')

export const language = wanted.find((l) => l in languages) ?? 'en'
export const t: Text = languages[language] ?? en
