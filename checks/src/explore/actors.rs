//! What stateright's Explorer answers, of the cell as a system of actors.

use glock_model::actors::{Actors, SystemAction, SystemState};
use glock_model::cluster::Cluster;
use serde::Serialize;
use stateright::{Checker, CheckerVisitor, Model, Path};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::{Arc, Mutex, PoisonError};

/// A search of the system on demand, and what may be asked of it.
pub(super) struct Explorer {
    checker: Box<dyn Ask>,
    model: Actors,
}

/// The expectation, the name, and the path of a discovery in the Explorer's form.
type PropertyView = (String, &'static str, Option<String>);

/// The answer to `/.status`.
#[derive(Serialize)]
pub(super) struct Status {
    done: bool,
    model: &'static str,
    state_count: usize,
    unique_state_count: usize,
    max_depth: usize,
    properties: Vec<PropertyView>,
    recent_path: Option<String>,
}

/// An entry of the answer to `/.states/…`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StateView {
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    properties: Vec<PropertyView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    svg: Option<String>,
    action_index: usize,
}

/// A checker whose type has no name.
trait Ask: Send + Sync {
    fn status(&self) -> Status;
    fn properties(&self) -> Vec<PropertyView>;
    fn run_to_completion(&self);
}

/// The path of a state the search has looked at lately.
#[derive(Clone, Default)]
struct Recent(Arc<Mutex<Option<Vec<SystemAction>>>>);

impl CheckerVisitor<Actors> for Recent {
    fn visit(&self, _: &Actors, path: Path<SystemState, SystemAction>) {
        // Whoever is late for the lock has nothing newer to say.
        if let Ok(mut recent) = self.0.try_lock() {
            *recent = Some(path.into_actions());
        }
    }
}

struct Asked<C> {
    checker: C,
    recent: Recent,
}

impl<C: Checker<Actors> + Send + Sync> Ask for Asked<C> {
    fn status(&self) -> Status {
        let recent = self.recent.0.lock().unwrap_or_else(PoisonError::into_inner);
        Status {
            done: self.checker.is_done(),
            model: std::any::type_name::<Actors>(),
            state_count: self.checker.state_count(),
            unique_state_count: self.checker.unique_state_count(),
            max_depth: self.checker.max_depth(),
            properties: self.properties(),
            recent_path: recent.as_ref().map(|path| format!("{path:?}")),
        }
    }

    fn properties(&self) -> Vec<PropertyView> {
        let model = self.checker.model();
        let view = |p: stateright::Property<Actors>| {
            let path = self.checker.discovery(p.name);
            let path = path.map(|path| path.encode(model));
            (format!("{:?}", p.expectation), p.name, path)
        };
        model.properties().into_iter().map(view).collect()
    }

    fn run_to_completion(&self) {
        self.checker.run_to_completion();
    }
}

impl Explorer {
    pub(super) fn new(cluster: Cluster) -> Explorer {
        let recent = Recent::default();
        let checker = Actors::of(cluster.clone())
            .checker()
            .visitor(recent.clone());
        Explorer {
            checker: Box::new(Asked {
                checker: checker.spawn_on_demand(),
                recent,
            }),
            model: Actors::of(cluster),
        }
    }

    pub(super) fn status(&self) -> Status {
        self.checker.status()
    }

    pub(super) fn run_to_completion(&self) {
        self.checker.run_to_completion();
    }

    /// The states one step behind a way: the number of an initial state, then of each action.
    pub(super) fn states(&self, way: &[usize]) -> Option<Vec<StateView>> {
        let Some((&start, steps)) = way.split_first() else {
            let starts = self.model.init_states().into_iter().enumerate();
            return Some(
                starts
                    .map(|(i, state)| self.view(i, None, Some(&state), &[], &state))
                    .collect(),
            );
        };
        let initial = self.model.init_states().into_iter().nth(start)?;
        let (mut state, mut taken) = (initial.clone(), Vec::new());
        for &step in steps {
            let action = self.actions(&state).into_iter().nth(step)?;
            state = self.model.next_state(&state, action.clone())?;
            taken.push(action);
        }
        let views = self.actions(&state).into_iter().enumerate();
        Some(
            views
                .map(|(i, action)| {
                    let next = self.model.next_state(&state, action.clone());
                    let mut longer = taken.clone();
                    longer.push(action.clone());
                    let view = self.view(i, Some(&action), next.as_ref(), &longer, &initial);
                    let outcome = next.and_then(|_| self.model.format_step(&state, action));
                    StateView { outcome, ..view }
                })
                .collect(),
        )
    }

    fn actions(&self, state: &SystemState) -> Vec<SystemAction> {
        let mut actions = Vec::new();
        self.model.actions(state, &mut actions);
        actions
    }

    fn view(
        &self,
        index: usize,
        action: Option<&SystemAction>,
        state: Option<&SystemState>,
        taken: &[SystemAction],
        initial: &SystemState,
    ) -> StateView {
        let path = Path::from_actions(&self.model, initial.clone(), taken);
        let fingerprint = |state: &SystemState| {
            // Stable within this version; stateright's own function is not public.
            BuildHasherDefault::<DefaultHasher>::default().hash_one(state)
        };
        StateView {
            action: action.map(|action| self.model.format_action(action)),
            outcome: None,
            state: state.map(|state| format!("{state:#?}")),
            fingerprint: state.map(|state| fingerprint(state).to_string()),
            properties: self.checker.properties(),
            svg: path.and_then(|path| self.model.as_svg(path)),
            action_index: index,
        }
    }
}
