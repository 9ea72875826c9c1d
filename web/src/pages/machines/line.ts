// A machine's console or screen: a WebSocket of bytes.

/** lineURL is where a machine's console or screen is opened. */
export function lineURL(machine: string, kind: 'console' | 'screen'): string {
  const url = new URL(`/api/v1/machines/${machine}/console`, location.href)
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
  url.searchParams.set('kind', kind)
  return url.href
}

/** hasLine reports whether a machine in the state has a console and a screen. */
export const hasLine = (state: string) => ['running', 'rebooting', 'stopping'].includes(state)
