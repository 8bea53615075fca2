//! Sign-in: by the issuer, or with a token of the local program.

import { useEffect, useRef, useState } from '../vendor/hooks.js';
import { signIn } from '../session.js';
import { html } from '../ui.js';

/** @param {{ config: import('../session.js').Config, notice: string, enter: (token: string) => void }} props */
export function SignIn({ config, notice, enter }) {
  const [token, setToken] = useState('');
  const [error, setError] = useState('');
  const heading = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    document.title = 'Sign in \u00b7 Arcadia Cloud';
    heading.current?.focus();
  }, []);
  const leave = () => signIn(config).catch((/** @type {Error} */ failure) => setError(failure.message));
  const said = error || notice;
  return html`
    <main class="signin">
      <h1 tabindex="-1" ref=${heading}>Arcadia Cloud</h1>
      ${said && html`<div class="box bad" role="alert"><p>${said}</p></div>`}
      ${
        config.issuer
          ? html`<p>You sign in at <b>${new URL(config.issuer).host}</b> and come back here.</p><button type="button" class="primary" onClick=${leave}>Sign in</button>`
          : html`
          <form onSubmit=${(/** @type {Event} */ event) => {
            event.preventDefault();
            enter(token);
          }}>
            <div class="field">
              <label for="token">Access token</label>
              <textarea id="token" rows="5" required spellcheck="false" autocomplete="off" aria-describedby="token-hint" value=${token} onInput=${(/** @type {Event} */ event) => setToken(/** @type {HTMLTextAreaElement} */ (event.target).value)}></textarea>
              <small id="token-hint" class="muted">Paste what <code>arcadia token</code> prints, or open the link that <code>arcadia up</code> prints first. It is kept in memory until you close or reload this page.</small>
            </div>
            <button type="submit" class="primary">Sign in</button>
          </form>`
      }
    </main>`;
}
