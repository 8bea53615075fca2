//! `/events`: the events of this run as server-sent events. The id of each is its position in the feed, so that a
//! client that reconnects with `Last-Event-ID` misses nothing that is still stored. The route is not part of the
//! product: a deployed stack puts events on a bus.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use arcadia_domain::Scope;
use arcadia_functions::auth::Principal;
use arcadia_functions::http::Call;
use arcadia_functions::http::problem::Problem;
use arcadia_functions::runtime::App;
use arcadia_functions::{Audience, Error, problem_response};
use arcadia_store::StoreError;
use axum::body::Body;
use axum::http::{HeaderValue, Method, Response, header};
use axum::response::IntoResponse as _;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{StreamExt as _, stream};
use lambda_http::Request;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::body::into_body;
use crate::feed::{Feed, Page, State};

/// Path of the route.
pub const PATH: &str = "/events";
/// Methods of the route.
pub const METHODS: [Method; 1] = [Method::GET];

/// Maximum number of concurrent readers.
const MAX_READERS: usize = 32;
/// Idle time before a heartbeat.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The feed and its limit of readers.
#[derive(Debug, Clone)]
pub struct Events {
    feed: Arc<Feed>,
    places: Arc<Semaphore>,
}

/// A reader. It holds one page at a time and requests the next after sending it.
struct Reader {
    feed: Arc<Feed>,
    scope: Scope,
    position: u64,
    follow: bool,
    state: watch::Receiver<State>,
    _place: OwnedSemaphorePermit,
}

impl Events {
    /// Creates the route of a feed.
    #[must_use]
    pub fn new(feed: Arc<Feed>) -> Self {
        Self { feed, places: Arc::new(Semaphore::new(MAX_READERS)) }
    }

    /// Tells the readers to stop.
    pub fn close(&self) {
        self.feed.close();
    }

    /// Responds to a request with one of the [`METHODS`] from a caller with a verified token.
    #[must_use]
    pub fn respond(&self, app: &App, request: Request, request_id: &str) -> Response<Body> {
        self.read(app, request)
            .unwrap_or_else(|error| problem_response(&Problem::from(&error), request_id).map(into_body))
    }

    fn read(&self, app: &App, request: Request) -> Result<Response<Body>, Error> {
        let principal = Principal::from_request(&request, &app.settings.claims)?;
        Audience::Everyone.admit(principal.actor.authority)?;
        let scope = principal.scope.clone();
        let last_id = request.headers().get("last-event-id").cloned();
        let call = Call::new(principal, request, &["follow"])?;
        let follow = match call.parameter("follow") {
            None | Some("true") => true,
            Some("false") => false,
            Some(_) => return Err(Error::malformed("invalid_parameter", "follow must be true or false")),
        };
        let state = self.feed.watch();
        let newest = state.borrow().last;
        let position = match last_id {
            None => newest,
            Some(id) => position(&id).ok_or_else(|| {
                Error::malformed("invalid_last_event_id", "Last-Event-ID must be the id of an event, or 0 for all")
            })?,
        };
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place =
            place.map_err(|_| StoreError::Unavailable("the maximum number of readers of events is reached".into()))?;
        let reader = Reader { feed: Arc::clone(&self.feed), scope, position, follow, state, _place: place };
        let events = stream::unfold(reader, Reader::next).flat_map(stream::iter);
        let heartbeat = KeepAlive::new().interval(HEARTBEAT).text("nothing new");
        let mut response = Sse::new(events.map(Ok::<_, Infallible>)).keep_alive(heartbeat).into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }
}

impl Reader {
    /// The events of the next page, when there is one.
    async fn next(mut self) -> Option<(Vec<Event>, Self)> {
        loop {
            // Read the state before the page, so that later events are noticed.
            let State { last, closed } = *self.state.borrow_and_update();
            let Page { entries, position, gap } = self.feed.after(self.position, &self.scope);
            self.position = position;
            if gap || !entries.is_empty() {
                let gap = gap.then(|| Event::default().event("gap").data("{}"));
                let entries = entries.iter().map(|entry| {
                    let id = entry.position.to_string();
                    Event::default().id(id).data(&entry.json)
                });
                return Some((gap.into_iter().chain(entries).collect(), self));
            }
            if closed || (!self.follow && position >= last) {
                return None;
            }
            if position >= last {
                self.state.changed().await.ok()?;
            }
        }
    }
}

fn position(id: &HeaderValue) -> Option<u64> {
    id.to_str().ok()?.parse().ok().filter(|position| *position < u64::MAX)
}
