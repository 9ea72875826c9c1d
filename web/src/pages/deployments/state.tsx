import { Button } from '@patternfly/react-core'
import ExternalLinkAltIcon from '@patternfly/react-icons/dist/esm/icons/external-link-alt-icon'
import { useState } from 'react'
import type { Schemas } from '@/api/client'
import { t } from '@/text'
import { Marked } from '@/ui/Marked'
import { StateLabel } from '@/ui/StateLabel'
import { Tag } from '@/ui/Tag'

type Deployment = Schemas['Deployment']

/** isPending reports whether something is under way. */
export const isPending = (d: Deployment) => d.state.endsWith('Pending')

/** reasonOf is why a deployment failed, as a sentence. */
export function reasonOf(d: Pick<Deployment, 'state' | 'reason' | 'message'>): string | undefined {
  if (!d.reason && !d.message) return undefined
  return d.message || t.deployments.reason[d.reason ?? ''] || d.reason
}

/** DeploymentState is a deployment's state in a word, and why it failed in a sentence below it. */
export function DeploymentState({ d, short }: { d: Deployment; short?: boolean }) {
  const word = isPending(d) && d.action ? t.deployments.doing[d.action] : undefined
  const reason = d.state === 'Failure' || d.reason ? reasonOf(d) : undefined
  return (
    <>
      <StateLabel state={d.state} label={word} reason={reason} />
      {reason && !short && <div className="atoll-small atoll-clamp">{reason}</div>}
    </>
  )
}

const linksAtFirst = 4

/** Links are where a deployment is reached, each opening a tab of its own. */
export function Links({ d }: { d: Deployment }) {
  const [all, setAll] = useState(false)
  if (d.links.length === 0) return <>{t.none}</>
  return (
    <>
      <ul className="atoll-links" aria-label={t.deployments.links}>
        {(all ? d.links : d.links.slice(0, linksAtFirst)).map((l) => {
          const name = l.name || l.url
          return (
            <li key={l.name + l.url}>
              {/* Scripts write the links: only addresses of the web are followed. */}
              {/^https?:\/\//i.test(l.url) ? (
                <Tag color="teal" icon={<ExternalLinkAltIcon />} href={l.url} label={t.deployments.opens(name)}>
                  <bdi>{name}</bdi>
                </Tag>
              ) : (
                <Tag title={l.url}>
                  <bdi>{name}</bdi>
                </Tag>
              )}
            </li>
          )
        })}
      </ul>
      {d.links.length > linksAtFirst && (
        <Button variant="link" isInline className="atoll-small" onClick={() => setAll(!all)} aria-expanded={all}>
          {all ? t.deployments.showFewer : t.deployments.showAll(d.links.length)}
        </Button>
      )}
    </>
  )
}

// Where a search found its words in a part of a deployment.
const finds = (d: Deployment, field: Schemas['Match']['field'], key?: string) =>
  d.found?.find((f) => f.field === field && f.key === key)

/** Hit is the name or owner of a deployment, with what a search found in it. */
export const Hit = ({ d, of }: { d: Deployment; of: 'name' | 'owner' }) => (
  <Marked text={d[of] || t.none} at={finds(d, of)?.at} />
)

/** Hits are the texts of a deployment that its row does not show, if a search found something in them. */
export function Hits({ d }: { d: Deployment }) {
  const comment = finds(d, 'comment')
  return (
    <>
      {comment && (
        <div className="atoll-small atoll-clamp">
          {t.deployments.comment}: <Marked text={d.comment ?? ''} at={comment.at} short />
        </div>
      )}
      {d.found
        ?.filter((f) => f.field === 'label')
        .map((f) => (
          <div key={f.key} className="atoll-small atoll-clamp">
            <Marked text={f.key ?? ''} at={f.key_at} />: <Marked text={d.labels?.[f.key ?? ''] ?? ''} at={f.at} short />
          </div>
        ))}
    </>
  )
}

/** Overrides are the values of a deployment's own, the first three unless all are wanted: those that a search found come first. */
export function Overrides({ d }: { d: Deployment }) {
  const [all, setAll] = useState(false)
  const of = (field: 'deployment' | 'application') =>
    d[field].map((o) => ({ ...o, id: `${field} ${o.key}`, found: finds(d, field, o.key) }))
  const list = [...of('deployment'), ...of('application')].sort((a, b) => Number(!a.found) - Number(!b.found))
  if (list.length === 0) return <span className="atoll-small">{t.deployments.noOverrides}</span>
  return (
    <>
      <ul className="atoll-overrides">
        {(all ? list : list.slice(0, 3)).map((o) => (
          <li key={o.id}>
            {o.deleted ? (
              <del title={t.config.state.deleted}>
                <Marked text={o.key} at={o.found?.key_at} />
              </del>
            ) : (
              <>
                <Marked text={o.key} at={o.found?.key_at} />:{' '}
                {o.secret ? '•••' : <Marked text={o.value ?? ''} at={o.found?.at} short />}
              </>
            )}
          </li>
        ))}
      </ul>
      {list.length > 3 && (
        <Button variant="link" isInline className="atoll-small" onClick={() => setAll(!all)} aria-expanded={all}>
          {all ? t.deployments.showFewer : t.deployments.showAll(list.length)}
        </Button>
      )}
    </>
  )
}
