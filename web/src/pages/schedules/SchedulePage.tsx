import { CodeBlock, CodeBlockCode, Title } from '@patternfly/react-core'
import { useSuspenseQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link, type LoaderFunctionArgs, useNavigate, useParams } from 'react-router'
import { isGone } from '@/api/client'
import { queries } from '@/api/queries'
import { Named } from '@/names'
import { Jobs } from '@/pages/jobs/Jobs'
import { part, paths } from '@/paths'
import { isOperator, useMe } from '@/session'
import { t } from '@/text'
import { Empty } from '@/ui/Empty'
import { Facts } from '@/ui/Facts'
import { Menu } from '@/ui/Menu'
import { Page } from '@/ui/Page'
import { StateLabel } from '@/ui/StateLabel'
import { Time } from '@/ui/Time'
import { pauseAction } from './actions'
import { ScheduleDelete } from './ScheduleDelete'
import { scheduleQuery, Where, whatOf, whenOf } from './schedule'

const x = t.schedules

export const loader = ({ params }: LoaderFunctionArgs) => queries.ensureQueryData(scheduleQuery(params.schedule ?? ''))

/** SchedulePage is what runs again and again, and what its runs gave. */
export function Component() {
  const { data: s, error } = useSuspenseQuery(scheduleQuery(useParams().schedule ?? ''))
  const blocked = isOperator(useMe()) ? undefined : t.onlyOperators
  const navigate = useNavigate()
  const [deleting, setDeleting] = useState(false)
  if (isGone(error))
    return (
      <Page title={s.name}>
        <Empty title={x.gone} actions={<Link to={paths.schedules}>{x.back}</Link>} />
      </Page>
    )
  return (
    <Page
      title={s.name}
      label={s.paused ? <StateLabel state="paused" /> : <StateLabel state="active" />}
      actions={
        <Menu
          name={t.actionsOf(s.name)}
          label={t.actions}
          actions={[
            pauseAction(s, blocked),
            { label: t.edit, blocked, onClick: () => navigate(part(paths.schedule(s.id), 'edit')) },
            { label: t.delete, danger: true, blocked, onClick: () => setDeleting(true) },
          ]}
        />
      }
    >
      <section className="atoll-part">
        <Facts
          items={[
            [x.what, whatOf(s)],
            [x.where, <Where key="where" s={s} />],
            [t.nodes.location, s.location_id ? <Named key="named" kind="location" id={s.location_id} /> : undefined],
            [x.when, whenOf(s)],
            [x.next, s.paused ? undefined : <Time key="next" value={s.next_at} />],
            [x.last, <Time key="last" value={s.last_at} />],
            [x.jitter, s.jitter || undefined],
            [x.miss, x.missOf[s.miss]],
            [x.timeout, s.timeout || undefined],
          ]}
        />
      </section>
      {s.args !== undefined && (
        <section className="atoll-part" aria-label={x.args}>
          <Title headingLevel="h2">{x.args}</Title>
          <CodeBlock>
            <CodeBlockCode>{JSON.stringify(s.args, null, 2)}</CodeBlockCode>
          </CodeBlock>
        </section>
      )}
      <section aria-label={x.jobs}>
        <Title headingLevel="h2">{x.jobs}</Title>
        <Jobs always={[`schedule=${s.id}`]} none={x.noJobs} />
      </section>
      {deleting && <ScheduleDelete s={s} onClose={() => setDeleting(false)} />}
    </Page>
  )
}
