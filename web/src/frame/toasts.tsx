import { Alert, AlertActionCloseButton, AlertGroup } from '@patternfly/react-core'
import { useEffect, useSyncExternalStore } from 'react'
import { Link } from 'react-router'
import { pathOf } from '@/paths'
import { useMe } from '@/session'
import { t } from '@/text'
import { feed } from './live'

type Toast = { id: number; variant: 'success' | 'danger' | 'info'; title: string; body?: string; to?: string }

let toasts: Toast[] = []
let last = 0
const watchers = new Set<() => void>()

function set(next: Toast[]) {
  toasts = next.slice(-4) // the newest: a flood must not hide the page
  for (const fn of watchers) fn()
}

/** toast tells something in the corner of the page, for a while. */
export function toast(variant: Toast['variant'], title: string, more?: Pick<Toast, 'body' | 'to'>) {
  set([...toasts, { id: ++last, variant, title, ...more }])
}

const close = (id: number) => set(toasts.filter((x) => x.id !== id))

/** Toasts shows them, and tells how the operations end that this user started. */
export function Toasts() {
  const me = useMe()
  const shown = useSyncExternalStore(
    (fn) => {
      watchers.add(fn)
      return () => watchers.delete(fn)
    },
    () => toasts,
  )
  useEffect(() => {
    const stop = feed.listen((e) => {
      if (e.class !== 'operation' || e.actor !== me.user.id) return
      const [what, state] = [e.action.replace(/\.[a-z]+$/, ''), e.action.split('.').at(-1)]
      const title = t.tasks.name(what, e.subject_name)
      const to = pathOf(e.subject_kind, e.subject_id)
      if (state === 'failed') toast('danger', t.tasks.failed(title), { body: e.message, to })
      if (state === 'succeeded') toast('success', t.tasks.done(title), { to })
    })
    return () => void stop()
  }, [me.user.id])
  return (
    <AlertGroup isToast isLiveRegion>
      {shown.map((x) => (
        <Alert
          key={x.id}
          variant={x.variant}
          title={x.title}
          timeout={x.variant === 'danger' ? 15_000 : 6000}
          onTimeout={() => close(x.id)}
          actionClose={<AlertActionCloseButton onClose={() => close(x.id)} />}
          actionLinks={x.to && <Link to={x.to}>{t.details}</Link>}
        >
          {x.body}
        </Alert>
      ))}
    </AlertGroup>
  )
}
