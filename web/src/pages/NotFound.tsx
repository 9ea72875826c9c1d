import { Link } from 'react-router'
import { paths } from '@/paths'
import { t } from '@/text'
import { Page } from '@/ui/Page'

/** NotFound is for addresses and objects that do not exist, or that the reader may not know of. */
export function NotFound() {
  return (
    <Page title={t.notFound.title} lead={t.notFound.body}>
      <Link to={paths.home}>{t.notFound.back}</Link>
    </Page>
  )
}
