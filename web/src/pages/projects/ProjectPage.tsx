import { ActionList, ActionListGroup, ActionListItem, Button, Tab, Tabs, TabTitleText } from '@patternfly/react-core'
import { useSuspenseQuery } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { Link, type LoaderFunctionArgs, useNavigate, useParams, useSearchParams } from 'react-router'
import { client } from '@/api/client'
import { queries } from '@/api/queries'
import { CiPanel } from '@/pages/deployments/CiPanel'
import { WebhookTable, webhookOptions } from '@/pages/webhooks/WebhookTable'
import { paths } from '@/paths'
import { useMay } from '@/session'
import { t } from '@/text'
import { ConfirmDelete } from '@/ui/ConfirmDelete'
import { Page } from '@/ui/Page'
import { Bundles } from './Bundles'
import { Members } from './Members'
import { ProjectQuota } from './ProjectQuota'
import { projectQuery } from './queries'
import { Secrets } from './Secrets'
import { Settings } from './Settings'

export async function loader({ params }: LoaderFunctionArgs) {
  await queries.ensureQueryData(projectQuery(params.project ?? ''))
  return null
}

/** ProjectPage is all about one project. */
export function Component() {
  const { data: p } = useSuspenseQuery(projectQuery(useParams().project ?? ''))
  const navigate = useNavigate()
  const may = useMay({ account_id: p.account_id, project_id: p.id })
  const [deleting, setDeleting] = useState(false)
  const [params, setParams] = useSearchParams()
  const tab = params.get('tab') ?? 'settings'
  const tabs: [string, string, () => ReactNode][] = [
    ['settings', t.projects.settings, () => <Settings p={p} manage={may.manage} />],
    ['scripts', t.projects.scripts, () => <Bundles p={p} manage={may.manage} />],
    ['members', t.projects.members, () => <Members p={p} manage={may.manage} />],
    ['secrets', t.projects.secrets, () => <Secrets p={p} manage={may.manage} />],
    ['quota', t.projects.quota, () => <ProjectQuota p={p} />],
    [
      'webhooks',
      t.webhooks.title,
      () => (
        <WebhookTable
          options={{ ...webhookOptions, scope: undefined, always: [`project=${p.id}`], prefix: 'hooks.' }}
          create={`${paths.webhookCreate}?project=${p.id}`}
        />
      ),
    ],
    ['ci', t.deployments.ci, () => <CiPanel project={p} />],
  ]
  return (
    <Page
      title={p.name}
      lead={p.description || <Link to={paths.projects}>‹ {t.projects.title}</Link>}
      actions={
        <ActionList>
          <ActionListGroup>
            <ActionListItem>
              <Button component={(x) => <Link {...x} to={`${paths.deployments}?project=${p.id}`} />}>
                {t.deployments.title}
              </Button>
            </ActionListItem>
            <ActionListItem>
              <Button
                variant="secondary"
                isDanger
                isAriaDisabled={!may.manage}
                title={may.manage ? undefined : t.projects.onlyAdmins}
                onClick={() => may.manage && setDeleting(true)}
              >
                {t.delete}
              </Button>
            </ActionListItem>
          </ActionListGroup>
        </ActionList>
      }
    >
      <Tabs
        activeKey={tab}
        onSelect={(_, k) => setParams({ tab: String(k) }, { replace: true })}
        aria-label={t.projects.tabs}
        inset={{ default: 'insetNone' }}
      >
        {tabs
          .filter(([key]) => key !== 'webhooks' || may.manage) // others see none
          .map(([key, title, body]) => (
            <Tab key={key} eventKey={key} title={<TabTitleText>{title}</TabTitleText>}>
              <div className="atoll-tab">{key === tab && body()}</div>
            </Tab>
          ))}
      </Tabs>
      {deleting && (
        <ConfirmDelete
          kind={t.projects.one}
          name={p.name}
          onClose={() => setDeleting(false)}
          onConfirm={async () => {
            await client.DELETE('/api/v1/projects/{project}', { params: { path: { project: p.id } } })
            navigate(paths.projects)
          }}
        >
          {t.projects.deleting}
        </ConfirmDelete>
      )}
    </Page>
  )
}
