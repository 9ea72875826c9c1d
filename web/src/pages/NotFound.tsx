import { Link } from 'react-router'
import { paths } from '@/paths'
import { t } from '@/text'
import { Empty } from '@/ui/Empty'

/** NotFound is for addresses and objects that do not exist, or that the reader may not know of. */
export function NotFound() {
  return (
    <Empty title={t.notFound.title} actions={<Link to={paths.home}>{t.notFound.back}</Link>}>
      {t.notFound.body}
    </Empty>
  )
}
