import RFB from '@novnc/novnc'
import { Button, Flex, FlexItem } from '@patternfly/react-core'
import { useEffect, useRef, useState } from 'react'
import { t } from '@/text'
import { lineURL } from './line'

const x = t.terminal

/** Screen is what a machine shows on its screen, with keyboard and mouse. */
export default function Screen({ machine }: { machine: string }) {
  const place = useRef<HTMLDivElement>(null)
  const rfb = useRef<RFB>(undefined)
  const [status, setStatus] = useState<string>(x.opening)
  const [tries, setTries] = useState(0)

  // biome-ignore lint/correctness/useExhaustiveDependencies: each try opens a new line
  useEffect(() => {
    if (!place.current) return
    const screen = new RFB(place.current, lineURL(machine, 'screen'))
    screen.scaleViewport = true
    screen.background = 'transparent'
    let came = false
    let ended = false
    screen.addEventListener('connect', () => {
      came = true
      setStatus(x.open)
    })
    screen.addEventListener('disconnect', () => {
      ended = true
      setStatus(came ? x.closed : x.bad)
    })
    rfb.current = screen
    setStatus(x.opening)
    return () => {
      if (!ended) screen.disconnect()
    }
  }, [machine, tries])

  return (
    <section aria-label={x.screen}>
      <Flex justifyContent={{ default: 'justifyContentSpaceBetween' }} className="atoll-live">
        <FlexItem>
          <span role="status">{status}</span>
        </FlexItem>
        <Flex columnGap={{ default: 'columnGapSm' }}>
          <Button variant="secondary" size="sm" onClick={() => rfb.current?.sendCtrlAltDel()}>
            {x.ctrlAltDel}
          </Button>
          <Button variant="secondary" size="sm" onClick={() => void place.current?.requestFullscreen()}>
            {x.full}
          </Button>
          <Button variant="secondary" size="sm" onClick={() => setTries(tries + 1)}>
            {x.reconnect}
          </Button>
        </Flex>
      </Flex>
      <div className="atoll-screen" ref={place} />
      <p className="atoll-small">{x.helpScreen}</p>
    </section>
  )
}
