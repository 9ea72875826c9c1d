import { Button, Flex, FlexItem } from '@patternfly/react-core'
import { FitAddon } from '@xterm/addon-fit'
import { Terminal as Xterm } from '@xterm/xterm'
import '@xterm/xterm/css/xterm.css'
import { useEffect, useRef, useState } from 'react'
import { toast } from '@/frame/toasts'
import { t } from '@/text'
import { lineURL } from './line'

const x = t.terminal

/** Terminal is an open serial console. It keeps what came when the line ends, and connects again on demand. */
export default function Terminal({ machine }: { machine: string }) {
  const place = useRef<HTMLDivElement>(null)
  const term = useRef<Xterm>(undefined)
  const leave = useRef<HTMLButtonElement>(null)
  const [status, setStatus] = useState<string>(x.opening)
  const [closed, setClosed] = useState(false)
  const [tries, setTries] = useState(0)

  useEffect(() => {
    if (!place.current) return
    const xterm = new Xterm({
      cursorBlink: true,
      fontSize: 14,
      scrollback: 5000,
      screenReaderMode: true,
      fontFamily: 'monospace',
    })
    const fit = new FitAddon()
    xterm.loadAddon(fit)
    xterm.open(place.current)
    // The terminal takes all keys but this one, so that nobody is caught in it.
    xterm.attachCustomKeyEventHandler((e) => {
      if (!(e.ctrlKey && e.shiftKey && e.key.toLowerCase() === 'q')) return true
      leave.current?.focus()
      return false
    })
    const watch = new ResizeObserver(() => fit.fit())
    watch.observe(place.current)
    term.current = xterm
    return () => {
      watch.disconnect()
      xterm.dispose()
    }
  }, [])

  // biome-ignore lint/correctness/useExhaustiveDependencies: each try opens a new line
  useEffect(() => {
    const xterm = term.current
    if (!xterm) return
    const socket = new WebSocket(lineURL(machine, 'console'))
    socket.binaryType = 'arraybuffer'
    setStatus(x.opening)
    setClosed(false)
    const bytes = new TextEncoder()
    const typed = xterm.onData((text) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(bytes.encode(text))
    })
    socket.onopen = () => {
      setStatus(x.open)
      xterm.focus()
    }
    socket.onmessage = (m) => xterm.write(new Uint8Array(m.data))
    socket.onclose = (e) => {
      setStatus(x.why(e.code, e.reason))
      setClosed(true)
    }
    return () => {
      typed.dispose()
      socket.onclose = null
      socket.close()
    }
  }, [machine, tries])

  const copy = () => {
    const xterm = term.current
    if (!xterm) return
    const lines = Array.from({ length: xterm.buffer.active.length }, (_, i) =>
      xterm.buffer.active.getLine(i)?.translateToString(true),
    )
    const text = xterm.getSelection() || lines.join('\n').trimEnd()
    void navigator.clipboard.writeText(text).then(() => toast('info', t.copied))
  }
  return (
    <section aria-label={x.console}>
      <Flex justifyContent={{ default: 'justifyContentSpaceBetween' }} className="atoll-live">
        <FlexItem>
          <span role="status">{status}</span>
        </FlexItem>
        <Flex columnGap={{ default: 'columnGapSm' }}>
          <Button variant={closed ? 'primary' : 'secondary'} size="sm" onClick={() => setTries(tries + 1)}>
            {x.reconnect}
          </Button>
          <Button ref={leave} variant="secondary" size="sm" onClick={copy}>
            {x.copy}
          </Button>
        </Flex>
      </Flex>
      <div className="atoll-terminal" ref={place} />
      <p className="atoll-small">{x.help}</p>
    </section>
  )
}
