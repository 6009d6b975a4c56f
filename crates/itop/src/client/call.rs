//! One call, from the wait for its place to its answer.
//!
//! A call waits for room in the budget of bytes and for one of `max_calls` places, and is then sent. It is given up
//! when no byte has moved for the time-out.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::StatusCode;
use http::header::DATE;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use super::{CallEnd, Client};
use crate::answer::{self, Answer};
use crate::error::{Asked, Error};
use crate::memory::Reservation;
use crate::transport::{Body, MaxAnswerBytes, PeerCertificate, Progress, TransportError};

/// One call, before it is sent.
pub(crate) struct Call {
    pub asked: Asked,
    pub request: http::Request<Body>,
    /// The bytes to reserve from the budget; 0 for a call without contents.
    pub charge_bytes: u64,
    pub max_answer_bytes: u64,
    /// A secret of this call only, such as an image's: kept out of its errors too.
    pub secret: Option<String>,
}

/// The facts about a call when its end is judged.
pub(crate) struct Sent {
    pub asked: Asked,
    /// Length of the whole body.
    pub bytes: u64,
    /// As in [`Call`].
    pub charge_bytes: u64,
    pub secret: Option<String>,
}

/// An answer with HTTP 200, whatever is in it.
pub(crate) struct Received {
    pub body: Bytes,
    pub from: ServerTold,
}

/// The server's statements about itself in its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerTold {
    /// The HTTP header `Date` of the answer, as it came.
    pub date: Option<String>,
    /// None over plain HTTP.
    pub certificate: Option<PeerCertificate>,
}

/// The time when a call was sent; none if it was not.
#[derive(Default)]
pub(crate) struct Clocked(Option<Instant>);

impl Client {
    /// Makes a REST call and gives its answer with code 0 to `read`.
    pub(crate) async fn rest<T>(
        &self,
        call: Call,
        read: impl FnOnce(&Answer<'_>, ServerTold) -> Result<T, String>,
    ) -> Result<T, Error> {
        let (asked, mut clocked) = (call.asked.clone(), Clocked::default());
        let sent_bytes = call.request.body().len();
        let mut outcome = self.rest_unobserved(call, read, &mut clocked).await;
        if outcome.as_ref().is_err_and(|error| self.may_be_a_packet_too_large(error, sent_bytes))
            && self.small_call_is_answered().await
        {
            outcome = outcome.map_err(|error| self.packet_too_large(error, sent_bytes));
        }
        self.observe(&asked, &clocked, outcome.as_ref().err());
        outcome
    }

    /// Whether iTop still answers a small call. Boxed, because this is a call within a call.
    fn small_call_is_answered(&self) -> BoxFuture<'_, bool> {
        Box::pin(async { self.check_login().await.is_ok() })
    }

    /// [`Client::rest`] without the observer.
    async fn rest_unobserved<T>(
        &self,
        call: Call,
        read: impl FnOnce(&Answer<'_>, ServerTold) -> Result<T, String>,
        clocked: &mut Clocked,
    ) -> Result<T, Error> {
        // Boxed: a caller's future holds one of these per place that it calls from, and would not fit a thread's stack.
        let (received, sent, _memory) = Box::pin(self.send(call, clocked)).await?;
        let text = answer::as_text(&received.body);
        match Answer::find(&text) {
            Ok(answer) if answer.code == 0 => {
                self.shared.history.note_login();
                read(&answer, received.from).map_err(|message| self.useless(sent, &message))
            }
            Ok(answer) => Err(self.refusal(sent, &answer)),
            Err(no_answer) => Err(self.no_answer(sent, &text, no_answer)),
        }
    }

    pub(crate) fn observe(&self, asked: &Asked, clocked: &Clocked, error: Option<&Error>) {
        let (Some(observer), Some(sent_at)) = (&self.shared.config.observer, clocked.0) else { return };
        (observer.0)(CallEnd { asked, took: sent_at.elapsed(), error: error.map(|error| &error.class) });
    }

    /// Sends and receives. The returned memory must be held as long as the received bytes.
    pub(crate) async fn send(
        &self,
        call: Call,
        clocked: &mut Clocked,
    ) -> Result<(Received, Sent, Option<Reservation>), Error> {
        let Call { asked, mut request, charge_bytes, max_answer_bytes, secret } = call;
        request.extensions_mut().insert(MaxAnswerBytes(max_answer_bytes));
        let sent = Sent { asked, bytes: request.body().len(), charge_bytes, secret };
        if self.shared.config.only_reads && sent.asked.operation.writes() {
            return Err(self.would_write(sent));
        }
        if self.is_held_back() {
            return Err(self.held_back(sent));
        }
        let Some((memory, _place)) = self.start(charge_bytes).await else {
            return Err(self.not_started(sent));
        };
        clocked.0 = Some(Instant::now());
        match self.send_while_bytes_move(request).await {
            Ok(response) if response.status() == StatusCode::OK => {
                let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
                let date = date.map(str::to_owned);
                let certificate = response.extensions().get::<PeerCertificate>().cloned();
                Ok((Received { body: response.into_body(), from: ServerTold { date, certificate } }, sent, memory))
            }
            Ok(response) => Err(self.bad_status(sent, &response)),
            Err(error) => Err(self.no_response(sent, error)),
        }
    }

    /// Memory first, then a place: a call that waits for memory must not keep others waiting.
    async fn start(&self, bytes: u64) -> Option<(Option<Reservation>, SemaphorePermit<'_>)> {
        let acquire = async {
            let memory = match (&self.reservation, bytes) {
                (_, 0) => None,
                (Some(reservation), _) => Some(reservation.clone()),
                (None, bytes) => Some(self.shared.config.memory.reserve(bytes).await),
            };
            let place = self.shared.places.acquire().await;
            (memory, place.expect("the semaphore of places is never closed"))
        };
        match self.start_by {
            None => Some(acquire.await),
            Some(instant) if Instant::now() > instant => None,
            Some(instant) => tokio::time::timeout_at(instant, acquire).await.ok(),
        }
    }

    /// The only place where a call is given up for silence.
    async fn send_while_bytes_move(
        &self,
        request: http::Request<Body>,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let timeout = self.shared.config.timeout;
        let progress = Progress::new();
        let sending = self.shared.transport.send(request, &progress);
        tokio::pin!(sending);
        loop {
            tokio::select! {
                biased;
                response = &mut sending => return response,
                () = progress.moved() => {
                    if let Some(hook) = &self.on_progress {
                        hook();
                    }
                }
                () = tokio::time::sleep(timeout) => {
                    let (sent, received) = (progress.sent(), progress.received());
                    return Err(TransportError::Broken(format!(
                        "no byte moved for {timeout:?} ({sent} bytes sent, {received} received)"
                    )));
                }
            }
        }
    }
}
