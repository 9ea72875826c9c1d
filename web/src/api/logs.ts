// The output of a job, read as it comes: lines of JSON on a connection that stays
// open until the job has ended.
import { ApiError, readProblem, type Schemas, Unreachable } from './client'

export type LogLine = Schemas['LogLine']

/** How many lines are kept: of a longer output the last ones. */
export const maxLines = 5000

const logURL = (job: string, query: string) => `/api/v1/jobs/${encodeURIComponent(job)}/logs${query}`

/** Splitter makes lines of JSON of the pieces in which they come. */
export class Splitter {
  #rest = ''

  /** push takes a piece and answers the lines that it completes. What is no line of a log is left out. */
  push(piece: string): LogLine[] {
    const parts = (this.#rest + piece).split('\n')
    this.#rest = parts.pop() ?? ''
    return parts.flatMap((p) => {
      try {
        return p ? [JSON.parse(p) as LogLine] : []
      } catch {
        return []
      }
    })
  }
}

/**
 * readLog reads the output of a job from its beginning and calls take with the lines
 * as they come, until the job has ended if follow is set. It rejects when the output
 * cannot be read, or not to its end.
 */
export async function readLog(job: string, follow: boolean, take: (lines: LogLine[]) => void, signal: AbortSignal) {
  const answer = await fetch(logURL(job, follow ? '?follow=true' : ''), { signal }).catch((e) => {
    throw e instanceof TypeError ? new Unreachable() : e
  })
  if (!answer.ok) throw new ApiError(await readProblem(answer))
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
  const lines = new Splitter()
  for (;;) {
    const piece = await reader?.read()
    if (!piece || piece.done) break
    take(lines.push(piece.value))
  }
  take(lines.push('\n'))
}

/** downloadLog is a job's whole output as a text file. */
export async function downloadLog(job: string): Promise<Blob> {
  const text: string[] = []
  await readLog(
    job,
    false,
    (lines) => text.push(...lines.map((l) => `${l.text.replace(/\n?$/, '\n')}`)),
    new AbortController().signal,
  )
  return new Blob(text, { type: 'text/plain' })
}

/** Log is a job's output as far as it was read; its lines are numbered. */
export type Log = { lines: (LogLine & { n: number })[]; dropped: number; done: boolean; error?: Error }

/**
 * LogStore holds the output of one job for what shows it. It starts to read when
 * somebody watches and stops when nobody does; what comes in a tenth of a second is
 * told at once, so that a flood of lines does not hold up the page.
 */
export class LogStore {
  #log: Log = { lines: [], dropped: 0, done: false }
  #watchers = new Set<() => void>()
  #stop?: AbortController
  #fresh: Log['lines'] = []
  #read = 0
  #timer?: ReturnType<typeof setTimeout>

  constructor(
    private job: string,
    private follow = true,
  ) {}

  get = () => this.#log

  watch = (fn: () => void) => {
    this.#watchers.add(fn)
    if (this.#watchers.size === 1) this.#start()
    return () => {
      this.#watchers.delete(fn)
      if (this.#watchers.size === 0) this.#stop?.abort()
    }
  }

  /** retry reads anew after an error. */
  retry = () => {
    this.#stop?.abort()
    this.#start()
  }

  #start() {
    if (this.#log.done) return
    this.#stop = new AbortController()
    const { signal } = this.#stop
    this.#fresh = []
    this.#read = 0
    this.#set({ lines: [], dropped: 0, done: false })
    readLog(this.job, this.follow, (lines) => !signal.aborted && this.#take(lines), signal).then(
      () => this.#end({ done: true }),
      (error) => signal.aborted || this.#end({ error }),
    )
  }

  #take(lines: LogLine[]) {
    for (const l of lines) this.#fresh.push({ ...l, n: this.#read++ })
    this.#timer ??= setTimeout(() => this.#flush(), 100)
  }

  #flush() {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const all = this.#log.lines.concat(this.#fresh)
    this.#fresh = []
    const over = Math.max(0, all.length - maxLines)
    this.#set({ ...this.#log, lines: over ? all.slice(over) : all, dropped: this.#log.dropped + over })
  }

  #end(more: Partial<Log>) {
    this.#flush()
    this.#set({ ...this.#log, ...more })
  }

  #set(log: Log) {
    this.#log = log
    for (const fn of this.#watchers) fn()
  }
}
