import { useQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import { WithAccount } from '@/frame/WithAccount'
import { listQuery } from '@/lists'
import { part, paths } from '@/paths'
import { t } from '@/text'
import { Page } from '@/ui/Page'
import { Part } from '@/ui/Part'
import { QuotaBars } from './QuotaBars'
import { Usage } from './Usage'

const x = t.usage

/** UsagePage is what the chosen account and its cloudspaces use and may use. */
export const Component = () => (
  <Page title={x.title}>
    <WithAccount>
      {(a) => (
        <div key={a.id}>
          <Usage account={a.id} />
          <Cloudspaces account={a.id} />
        </div>
      )}
    </WithAccount>
  </Page>
)

function Cloudspaces({ account }: { account: string }) {
  const list = useQuery(
    listQuery('/api/v1/cloudspaces', { limit: 50, sort: 'name', filter: [`account=${account}`] }),
  ).data
  return (
    <>
      {list?.items.map((c) => (
        <Part
          key={c.id}
          title={<bdi>{`${t.scope.cloudspace} ${c.name}`}</bdi>}
          actions={<Link to={part(paths.cloudspace(c.id), 'quota')}>{t.details}</Link>}
        >
          <QuotaBars cloudspace={c.id} />
        </Part>
      ))}
    </>
  )
}
