import { Content } from '@patternfly/react-core'
import { type MouseEvent, useLayoutEffect, useRef, useState } from 'react'
import { createPortal } from 'react-dom'
import { useNavigate } from 'react-router'
import { Macro } from './macros/Macro'

type Live = { key: string; place: Element; name: string; args: Record<string, unknown> }

/**
 * PageBody shows a page's HTML as the server made it, which is safe, and fills its
 * live parts, each by calls of the API as the reader.
 */
export function PageBody({ html }: { html: string }) {
  const ref = useRef<HTMLDivElement>(null)
  const navigate = useNavigate()
  const [live, setLive] = useState<Live[]>([])

  useLayoutEffect(() => {
    const root = ref.current
    if (!root) return
    root.innerHTML = html
    setLive(
      [...root.querySelectorAll('[data-macro]')].map((place, i) => ({
        key: `${i}`,
        place,
        name: place.getAttribute('data-macro') ?? '',
        args: JSON.parse(place.getAttribute('data-args') ?? '{}'),
      })),
    )
    return () => setLive([])
  }, [html])

  // Links to pages and other places of the portal do not load it anew.
  const onClick = (e: MouseEvent) => {
    const href = (e.target as Element).closest('a')?.getAttribute('href')
    if (!href?.startsWith('/') || e.defaultPrevented || e.ctrlKey || e.metaKey || e.shiftKey || e.button !== 0) return
    e.preventDefault()
    navigate(href)
  }
  return (
    <Content>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: its links are what is clicked */}
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: a link's click comes by the keyboard too */}
      <div ref={ref} className="atoll-page" onClick={onClick} />
      {live.map((l) => createPortal(<Macro name={l.name} args={l.args} />, l.place, l.key))}
    </Content>
  )
}
