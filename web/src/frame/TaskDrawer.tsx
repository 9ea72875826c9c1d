import {
  Button,
  DrawerActions,
  DrawerCloseButton,
  DrawerHead,
  DrawerPanelBody,
  DrawerPanelContent,
  Progress,
  ProgressMeasureLocation,
  Stack,
  StackItem,
  Title,
} from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'react-router'
import { client, type Schemas } from '@/api/client'
import { pathOf, paths } from '@/paths'
import { roleOn, useMe } from '@/session'
import { t } from '@/text'
import { Empty } from '@/ui/Empty'
import { ErrorView } from '@/ui/ErrorView'
import { StateLabel } from '@/ui/StateLabel'
import { Time } from '@/ui/Time'
import { lastTasks } from './tasks'

type Operation = Schemas['Operation']

/** TaskDrawer shows the newest operations: progress, what went wrong and why, and what can be done about it. */
export function TaskDrawer({ onClose }: { onClose: () => void }) {
  const list = useQuery(lastTasks)
  return (
    <DrawerPanelContent aria-labelledby="tasks-title" defaultSize="420px" minSize="320px" isResizable>
      <DrawerHead>
        <Title headingLevel="h2" id="tasks-title">
          {t.tasks.title}
        </Title>
        <DrawerActions>
          <DrawerCloseButton onClick={onClose} aria-label={t.close} />
        </DrawerActions>
      </DrawerHead>
      <DrawerPanelBody>
        {list.error && <ErrorView error={list.error} />}
        {list.data?.items.length === 0 && <Empty title={t.tasks.none}>{t.tasks.noneBody}</Empty>}
        <Stack hasGutter>
          {list.data?.items.map((o) => (
            <StackItem key={o.id}>
              <Task o={o} />
            </StackItem>
          ))}
          <StackItem>
            <Link to={paths.operations} onClick={onClose}>
              {t.tasks.all}
            </Link>
          </StackItem>
        </Stack>
      </DrawerPanelBody>
    </DrawerPanelContent>
  )
}

/** isLive reports whether an operation still has work to do. */
export const isLive = (o: Operation) => o.state === 'running' || o.state === 'undoing'

/** Task is one operation with its buttons. */
export function Task({ o }: { o: Operation }) {
  const may = roleOn(useMe(), o)
  const [error, setError] = useState<Error>()
  const act = (call: Promise<unknown>) => {
    setError(undefined)
    call.catch(setError)
  }
  const path = { operation: o.id }
  const to = pathOf(o.subject_kind, o.subject_id)
  const writes = may === 'writer' || may === 'admin'
  return (
    <article className="atoll-task" aria-label={t.tasks.name(o.kind, o.subject_name)}>
      <div className="atoll-row">
        <Link to={paths.operation(o.id)}>{t.tasks.name(o.kind)}</Link>
        <StateLabel state={o.state} reason={o.error} />
      </div>
      {o.subject_name && (
        <div className="atoll-text">{to ? <Link to={to}>{o.subject_name}</Link> : o.subject_name}</div>
      )}
      {isLive(o) ? (
        <Progress
          value={o.progress}
          size="sm"
          aria-label={t.tasks.name(o.kind)}
          title={o.message || t.tasks.step(o.step_name ?? '', o.step + 1, o.steps)}
          measureLocation={ProgressMeasureLocation.outside}
        />
      ) : (
        <div className="atoll-small">
          <Time value={o.finished_at} />
        </div>
      )}
      {o.error && <p className="atoll-text atoll-small">{t.tasks.by(o.error)}</p>}
      {error && <ErrorView error={error} />}
      {writes && o.state === 'running' && !o.cancel_asked && (
        <Button
          variant="link"
          isInline
          onClick={() => act(client.POST('/api/v1/operations/{operation}/cancel', { params: { path } }))}
        >
          {t.tasks.cancel}
        </Button>
      )}
      {writes && (o.state === 'failed' || o.state === 'canceled') && (
        <Button
          variant="link"
          isInline
          onClick={() => act(client.POST('/api/v1/operations/{operation}/retry', { params: { path } }))}
        >
          {t.tasks.retry}
        </Button>
      )}
    </article>
  )
}
