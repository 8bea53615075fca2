//! The promise: the protocol of a commit is correct in every possible order of requests, losses, repetitions and
//! crashes, not only in those that a test produced. Two callers and a sweep move one deployment over the real lifecycle
//! map; every reachable state is checked.

use arcadia_domain::lifecycle::Standing;
use arcadia_domain::{Authority, Rung, State};
use stateright::{Checker, HasDiscoveries, Model, Property};

/// How often each actor sends a commit, and how often its request is handled anew. The first caller is followed through
/// everything; the others interfere.
const MAX_SENDS: [u8; 3] = [2, 1, 1];
const MAX_TRIES: [u8; 3] = [2, 1, 2];
/// The index of the sweep; the other actors are callers.
const SWEEP: usize = 2;

/// A part of the protocol that is left out, to show that a check finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defect {
    /// A commit is written whatever has happened since its decision.
    NoVersionCondition,
    /// A writer does not recognise its own write.
    ForgetsItsCommit,
    /// A request is executed again under a used key.
    NoRecordCondition,
}

/// The protocol, or the part of it that a defect leaves.
struct Protocol {
    defect: Option<Defect>,
}

/// Identifies a commit: its actor, and the number of its attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct CommitId {
    actor: usize,
    attempt: u8,
}

/// A commit in flight, on condition of the version and state that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Message {
    id: CommitId,
    version: u8,
    from: State,
    to: State,
}

/// How an actor learnt that its commit was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum By {
    /// From the answer.
    Answer,
    /// From DynamoDB's memory of the token.
    Token,
    /// From the deployment's `last_commit_id`.
    LastCommit,
    /// From the record under the idempotency key.
    Record,
    /// There was nothing to change.
    Nothing,
}

/// The progress of an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    /// Nothing was read yet.
    Idle,
    /// This version and state were read.
    Loaded { version: u8, state: State },
    /// A commit was sent this many times and is not answered.
    Waiting { message: Message, sends: u8 },
    /// A refused commit may have been made before: the actor looks it up.
    Looking { commit: Option<CommitId> },
    /// The caller knows that the commit was made.
    Acknowledged { by: By },
    /// The caller knows that this commit was not made, if it sent one.
    Refused { commit: Option<CommitId>, conflict: bool },
    /// The caller was told to retry and has given up, or nothing is left to sweep.
    Over,
}

/// A caller or the sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Actor {
    /// The request: two callers with the same number sent the same request, under one key.
    request: usize,
    to: State,
    phase: Phase,
    attempt: u8,
}

/// The state of the model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    state: State,
    version: u8,
    last_commit: Option<CommitId>,
    /// Every move so far: the events.
    moves: Vec<(CommitId, State, State)>,
    /// Whether requests have an idempotency key.
    is_keyed: bool,
    /// The recorded answer of each request under its key, if it has one.
    records: [Option<By>; 2],
    /// The tokens that DynamoDB remembers.
    tokens: Vec<CommitId>,
    has_forgotten: bool,
    actors: [Actor; 3],
    flying: Vec<Message>,
}

/// The possible next steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Load(usize),
    Decide(usize),
    /// A message arrives, and its answer does or does not.
    Arrive {
        index: usize,
        is_answered: bool,
    },
    SendAgain(usize),
    Look(usize),
    /// The actor crashes, or gives up, and its caller has to retry.
    End(usize),
    /// Ten minutes pass.
    ForgetTokens,
}

impl World {
    fn request_of(&self, id: CommitId) -> usize {
        self.actors[id.actor].request
    }

    fn effects(&self, request: usize) -> usize {
        self.moves.iter().filter(|(id, ..)| id.actor != SWEEP && self.request_of(*id) == request).count()
    }

    fn has(&self, commit: CommitId) -> bool {
        self.moves.iter().any(|(id, ..)| *id == commit)
    }

    /// Handles the request anew, if its client retries that often; a sweep always comes again.
    fn retry(&mut self, index: usize) {
        let actor = &mut self.actors[index];
        actor.attempt += 1;
        actor.phase = if actor.attempt < MAX_TRIES[index] { Phase::Idle } else { Phase::Over };
    }

    fn decide(&mut self, index: usize, version: u8, from: State) {
        let Actor { to, attempt, .. } = self.actors[index];
        let id = CommitId { actor: index, attempt };
        let (to, authority) = if index == SWEEP {
            // Time has passed: the next rung of the ladder is due.
            let Some(rung) = Rung::from(from) else {
                self.actors[index].phase = Phase::Over;
                return;
            };
            (rung.to, Authority::Billing)
        } else {
            (to, if index == 0 { Authority::TenantUser } else { Authority::PlatformAdmin })
        };
        if from == to {
            let request = self.actors[index].request;
            let by = self.records[request].unwrap_or(By::Nothing);
            if self.is_keyed {
                self.records[request] = Some(by);
            }
            self.actors[index].phase = Phase::Acknowledged { by };
            return;
        }
        let is_allowed = from.move_to(to).is_some_and(|found| found.permission.permits(authority, Standing::default()));
        self.actors[index].phase = if is_allowed {
            let message = Message { id, version, from, to };
            self.flying.push(message);
            Phase::Waiting { message, sends: 1 }
        } else {
            Phase::Looking { commit: None }
        };
    }

    /// The table's answer to a message, and the next phase of its sender.
    fn arrive(&mut self, message: Message, defect: Option<Defect>) -> Phase {
        let Message { id, version, from, to } = message;
        if self.tokens.contains(&id) {
            return Phase::Acknowledged { by: By::Token };
        }
        let is_keyed = self.is_keyed && id.actor != SWEEP;
        let record = if is_keyed { self.records[self.request_of(id)] } else { None };
        let is_current = (self.version, self.state) == (version, from) || defect == Some(Defect::NoVersionCondition);
        let used = record.filter(|_| defect != Some(Defect::NoRecordCondition));
        if is_current && used.is_none() {
            self.moves.push((id, from, to));
            (self.state, self.version, self.last_commit) = (to, self.version + 1, Some(id));
            self.tokens.push(id);
            if is_keyed {
                self.records[self.request_of(id)] = Some(By::Record);
            }
            return Phase::Acknowledged { by: By::Answer };
        }
        // As `store::judge` reads the reasons.
        if !is_current && self.last_commit == Some(id) && defect != Some(Defect::ForgetsItsCommit) {
            return Phase::Acknowledged { by: By::LastCommit };
        }
        if let Some(by) = used {
            return Phase::Acknowledged { by };
        }
        Phase::Looking { commit: Some(id) }
    }

    fn take(&mut self, step: Step, defect: Option<Defect>) {
        match step {
            Step::Load(index) => {
                self.actors[index].phase = Phase::Loaded { version: self.version, state: self.state };
            }
            Step::Decide(index) => {
                if let Phase::Loaded { version, state } = self.actors[index].phase {
                    self.decide(index, version, state);
                }
            }
            Step::Arrive { index, is_answered } => {
                let message = self.flying.swap_remove(index);
                let answer = self.arrive(message, defect);
                let actor = &mut self.actors[message.id.actor];
                let waits = matches!(actor.phase, Phase::Waiting { message: sent, .. } if sent.id == message.id);
                if is_answered && waits {
                    actor.phase = answer;
                    let goes_on = message.id.actor == SWEEP;
                    if goes_on {
                        self.retry(SWEEP);
                    }
                }
            }
            Step::SendAgain(index) => {
                if let Phase::Waiting { message, sends } = self.actors[index].phase {
                    self.actors[index].phase = Phase::Waiting { message, sends: sends + 1 };
                    self.flying.push(message);
                }
            }
            Step::Look(index) => {
                let Phase::Looking { commit } = self.actors[index].phase else { return };
                let refused = Phase::Refused { commit, conflict: commit.is_some() };
                let record = self.records[self.actors[index].request];
                self.actors[index].phase = record.map_or(refused, |by| Phase::Acknowledged { by });
            }
            Step::End(index) => self.retry(index),
            Step::ForgetTokens => {
                self.tokens.clear();
                self.has_forgotten = true;
            }
        }
        // The messages in flight are a set.
        self.flying.sort_unstable_by_key(|message| (message.id.actor, message.id.attempt));
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let mut worlds = Vec::new();
        for state in [State::Active] {
            // Two requests, without keys and with keys; and one request that arrives twice.
            for (is_keyed, requests, targets) in [
                (false, [0, 1], [State::Paused, State::Cancelled]),
                (true, [0, 1], [State::Paused, State::Active]),
                (true, [0, 0], [State::Paused, State::Paused]),
            ] {
                let actor = |request, to| Actor { request, to, phase: Phase::Idle, attempt: 0 };
                let [first, second] = [0, 1].map(|index| actor(requests[index], targets[index]));
                worlds.push(World {
                    state,
                    version: 1,
                    last_commit: None,
                    moves: Vec::new(),
                    is_keyed,
                    records: [None; 2],
                    tokens: Vec::new(),
                    has_forgotten: false,
                    actors: [first, second, actor(SWEEP, state)],
                    flying: Vec::new(),
                });
            }
        }
        worlds
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        for (index, actor) in world.actors.iter().enumerate() {
            match actor.phase {
                Phase::Idle => steps.push(Step::Load(index)),
                Phase::Loaded { .. } => steps.push(Step::Decide(index)),
                // A crash before anything was sent equals not having begun.
                Phase::Waiting { sends, .. } => {
                    steps.push(Step::End(index));
                    if sends < MAX_SENDS[index] {
                        steps.push(Step::SendAgain(index));
                    }
                }
                Phase::Looking { .. } => steps.extend([Step::Look(index), Step::End(index)]),
                Phase::Acknowledged { .. } | Phase::Refused { .. } | Phase::Over => {}
            }
        }
        for index in 0..world.flying.len() {
            // Copies of a message are equivalent.
            if index > 0 && world.flying[index] == world.flying[index - 1] {
                continue;
            }
            // A lost message never arrives, and a message whose sender does not wait is not answered.
            let id = world.flying[index].id;
            let waits = matches!(world.actors[id.actor].phase, Phase::Waiting { message, .. } if message.id == id);
            steps.extend(
                [false, true]
                    .map(|is_answered| Step::Arrive { index, is_answered })
                    .into_iter()
                    .take(1 + usize::from(waits)),
            );
        }
        if !world.has_forgotten && !world.tokens.is_empty() {
            steps.push(Step::ForgetTokens);
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        next.take(step, self.defect);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("a request takes effect at most once", |_, world: &World| {
                !world.is_keyed || (0..2).all(|request| world.effects(request) <= 1)
            }),
            Property::always("a commit takes effect at most once", |_, world: &World| {
                let ids = world.moves.iter().map(|(id, ..)| *id);
                ids.enumerate().all(|(index, id)| world.moves[..index].iter().all(|(other, ..)| *other != id))
            }),
            Property::always("the version counts the events", |_, world: &World| {
                usize::from(world.version) == world.moves.len() + 1
            }),
            Property::always("every move is in the map and follows the one before", |_, world: &World| {
                let follow = world.moves.windows(2).all(|pair| pair[0].2 == pair[1].1);
                follow
                    && world.moves.iter().all(|(_, from, to)| from.move_to(*to).is_some())
                    && world.moves.last().is_none_or(|(.., to)| *to == world.state)
            }),
            Property::always("what is acknowledged has happened", |_, world: &World| {
                world.actors[..SWEEP].iter().all(|actor| match actor.phase {
                    Phase::Acknowledged { by: By::Nothing } => true,
                    Phase::Acknowledged { .. } => world.effects(actor.request) >= 1,
                    _ => true,
                })
            }),
            Property::always("what is refused has not", |_, world: &World| {
                // The one limit: a commit followed by others is no longer recognised once its token is forgotten.
                let is_lost = |commit| !world.tokens.contains(&commit) && world.last_commit != Some(commit);
                world.actors.iter().all(|actor| match actor.phase {
                    Phase::Refused { commit: Some(commit), .. } => !world.has(commit) || is_lost(commit),
                    _ => true,
                })
            }),
            Property::eventually("everyone comes to an end", |_, world: &World| {
                let is_over = |actor: &Actor| {
                    matches!(actor.phase, Phase::Acknowledged { .. } | Phase::Refused { .. } | Phase::Over)
                };
                world.actors.iter().all(is_over)
            }),
        ];
        // These show that the promises above are not vacuous.
        properties.extend([
            Property::sometimes("by the answer", |_, world: &World| knows(world, By::Answer)),
            Property::sometimes("by the token", |_, world: &World| knows(world, By::Token)),
            Property::sometimes("by last_commit_id", |_, world: &World| knows(world, By::LastCommit)),
            Property::sometimes("by the record", |_, world: &World| knows(world, By::Record)),
            Property::sometimes("a conflict", |_, world: &World| {
                world.actors.iter().any(|actor| matches!(actor.phase, Phase::Refused { conflict: true, .. }))
            }),
            Property::sometimes("a crash before a success", |_, world: &World| {
                let is_second =
                    |actor: &Actor| actor.attempt > 0 && actor.phase == Phase::Acknowledged { by: By::Answer };
                world.actors.iter().any(is_second)
            }),
            Property::sometimes("nobody knows", |_, world: &World| {
                world.actors[0].phase == Phase::Over && world.effects(0) == 1
            }),
            Property::sometimes("the ladder to its end", |_, world: &World| {
                world.moves.iter().filter(|(id, ..)| id.actor == SWEEP).count() == usize::from(MAX_TRIES[SWEEP])
            }),
        ]);
        properties
    }
}

fn knows(world: &World, by: By) -> bool {
    world.actors.iter().any(|actor| actor.phase == Phase::Acknowledged { by })
}

/// Checks every state or, with a defect, runs until this property is found broken.
fn check(defect: Option<(Defect, &'static str)>) -> impl Checker<Protocol> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let model = Protocol { defect: defect.map(|(defect, _)| defect) };
    let finish = defect.map_or(HasDiscoveries::All, |(_, broken)| HasDiscoveries::AnyOf([broken].into()));
    model.checker().threads(threads).finish_when(finish).spawn_bfs().join()
}

#[test]
fn the_protocol_keeps_its_word_in_every_order() {
    let checker = check(None);
    println!(
        "{} states, {} different, depth {}",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth()
    );
    assert!(checker.is_done());
    checker.assert_properties();
}

#[test]
fn without_any_of_its_parts_it_does_not() {
    for (defect, broken) in [
        (Defect::NoVersionCondition, "every move is in the map and follows the one before"),
        (Defect::ForgetsItsCommit, "what is refused has not"),
        (Defect::NoRecordCondition, "a request takes effect at most once"),
    ] {
        let checker = check(Some((defect, broken)));
        let path = checker.assert_any_discovery(broken);
        println!("{defect:?}: {:?}", path.into_actions());
    }
}
