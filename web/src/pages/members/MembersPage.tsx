import { WithAccount } from '@/frame/WithAccount'
import { t } from '@/text'
import { Page } from '@/ui/Page'
import { Access } from './Access'

/** MembersPage is who may do what in the chosen account. */
export const Component = () => (
  <Page title={t.members.title} lead={t.members.about}>
    <WithAccount>{(a) => <Access key={a.id} account={a.id} />}</WithAccount>
  </Page>
)
