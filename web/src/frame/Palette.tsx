import { Modal, ModalBody, ModalHeader, TextInput } from '@patternfly/react-core'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { type KeyboardEvent, useId, useState } from 'react'
import { useNavigate } from 'react-router'
import { api } from '@/api/client'
import { useDebounced } from '@/lists'
import { pathOf, placeOf } from '@/paths'
import { choose, useMe } from '@/session'
import { t } from '@/text'
import { commands } from './nav'

type Hit = { key: string; label: string; about: string; to: string; group: string; account?: string }

/** Palette finds every object and every action by a few letters; ctrl-K opens it. */
export function Palette({ onClose }: { onClose: () => void }) {
  const me = useMe()
  const navigate = useNavigate()
  const id = useId()
  const [asked, ask] = useState('')
  const [text, setText] = useDebounced(asked, ask, 150)
  const [at, setAt] = useState(0)
  const found = useQuery({
    ...api.queryOptions('get', '/api/v1/search', { params: { query: { q: asked.trim(), limit: 6 } } }),
    enabled: asked.trim().length >= 2,
    placeholderData: keepPreviousData,
    staleTime: 0,
  })
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const hits: Hit[] = [
    ...(asked.trim().length >= 2 ? (found.data?.items ?? []) : []).flatMap((o) => {
      const to = placeOf(o)
      const name = o.title && o.title !== o.name ? o.name : undefined
      const about = [o.kind, name, o.parent, o.account, o.state].filter(Boolean).join(' · ')
      // Lists are those of the chosen account.
      const account = pathOf(o.kind, o.id) ? undefined : o.account_id
      const label = o.title || o.name || o.id
      return to ? [{ key: o.kind + o.id, label, about, to, group: t.palette.objects, account }] : []
    }),
    ...commands(me)
      .filter((c) => words.every((w) => `${c.label} ${c.words ?? ''}`.toLowerCase().includes(w)))
      .map((c) => ({ key: c.to + c.label, label: c.label, about: c.words ?? '', to: c.to, group: t.palette.actions })),
  ]
  const active = Math.min(at, hits.length - 1)
  const go = (h?: Hit) => {
    if (!h) return
    onClose()
    if (h.account) choose({ account: h.account })
    navigate(h.to)
  }
  const onKey = (e: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key]
    if (step) {
      e.preventDefault()
      setAt((active + step + hits.length) % Math.max(hits.length, 1))
    } else if (e.key === 'Enter') {
      e.preventDefault()
      go(hits[active])
    }
  }
  return (
    <Modal isOpen variant="medium" position="top" onClose={onClose} aria-labelledby={`${id}-title`}>
      <ModalHeader title={t.palette.title} labelId={`${id}-title`} description={t.palette.keys} />
      <ModalBody>
        <TextInput
          type="search"
          autoFocus
          value={text}
          placeholder={t.palette.placeholder}
          onChange={(_, v) => {
            setText(v)
            setAt(0)
          }}
          onKeyDown={onKey}
          role="combobox"
          aria-label={t.palette.placeholder}
          aria-expanded
          aria-controls={`${id}-hits`}
          aria-activedescendant={hits[active] ? `${id}-${active}` : undefined}
        />
        {hits.length === 0 && asked !== '' && !found.isFetching && <p role="status">{t.palette.nothing}</p>}
        <div role="listbox" id={`${id}-hits`} aria-label={t.palette.title} className="atoll-hits">
          {hits.map((h, i) => (
            <div
              key={h.key}
              id={`${id}-${i}`}
              role="option"
              tabIndex={-1}
              aria-selected={i === active}
              onMouseEnter={() => setAt(i)}
              onClick={() => go(h)}
              onKeyDown={onKey}
            >
              <bdi>{h.label}</bdi>
              <bdi className="atoll-small">{h.about || h.group}</bdi>
            </div>
          ))}
        </div>
      </ModalBody>
    </Modal>
  )
}
