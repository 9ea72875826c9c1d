// Sending the file of an image: a call of its own, because fetch tells no progress.

import type { Schemas } from '@/api/client'
import { ApiError, csrfHeader, Unreachable } from '@/api/client'
import { t } from '@/text'

type About = { name: string; account?: string; description?: string; user?: string; sha256?: string }

/** upload sends a file and tells how much of it is sent. Nothing is kept of one that is stopped. */
export function upload(
  about: About,
  file: File,
  progress: (sent: number) => void,
  signal: AbortSignal,
): Promise<Schemas['Image']> {
  const query = new URLSearchParams(Object.entries(about).filter(([, v]) => v))
  const call = new XMLHttpRequest()
  call.open('POST', `/api/v1/images:upload?${query}`)
  call.setRequestHeader('Content-Type', 'application/octet-stream')
  for (const [name, value] of Object.entries(csrfHeader())) call.setRequestHeader(name, value)
  call.upload.onprogress = (e) => progress(e.loaded)
  signal.addEventListener('abort', () => call.abort())
  return new Promise((done, failed) => {
    call.onload = () => {
      try {
        const answer = JSON.parse(call.responseText)
        if (call.status < 300) done(answer)
        else failed(new ApiError(answer))
      } catch {
        failed(new ApiError({ status: call.status, code: 'unavailable', title: t.error.status(call.status) }))
      }
    }
    call.onerror = () => failed(new Unreachable())
    call.onabort = () => failed(new Error(t.images.aborted))
    call.send(file)
  })
}
