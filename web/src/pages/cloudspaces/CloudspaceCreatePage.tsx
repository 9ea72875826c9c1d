import { useNavigate } from 'react-router'
import { WithAccount } from '@/frame/WithAccount'
import { paths } from '@/paths'
import { t } from '@/text'
import { Page } from '@/ui/Page'
import { CloudspaceCreate } from './CloudspaceCreate'

/** CloudspaceCreatePage asks for the account where there are several, and makes a cloudspace in it. */
export function Component() {
  const navigate = useNavigate()
  let made = false
  return (
    <Page title={t.cloudspaces.create}>
      <WithAccount>
        {(a) => (
          <CloudspaceCreate
            account={a}
            onClose={() => !made && navigate(paths.cloudspaces)}
            onCreated={(c) => {
              made = true
              void navigate(paths.cloudspace(c.id))
            }}
          />
        )}
      </WithAccount>
    </Page>
  )
}
