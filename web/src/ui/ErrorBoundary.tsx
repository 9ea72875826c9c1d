import { Component, type ReactNode, Suspense } from 'react'
import { t } from '@/text'
import { ErrorView } from './ErrorView'

/** ErrorBoundary keeps what fails inside it from taking the page with it. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { error?: Error }> {
  state: { error?: Error } = {}

  static getDerivedStateFromError(error: Error) {
    return { error }
  }

  render() {
    if (this.state.error)
      return <ErrorView error={this.state.error} retry={() => this.setState({ error: undefined })} />
    return <Suspense fallback={t.loading}>{this.props.children}</Suspense>
  }
}
