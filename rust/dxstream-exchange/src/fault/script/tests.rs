use super::*;
use crate::fault::Connections;

struct Play {
    script: Rc<RefCell<Script>>,
    record: Arc<Record>,
}

impl Play {
    fn new(faults: Vec<Fault>) -> Self {
        let record = Arc::new(Record::default());
        record.count_faults(faults.len());
        let script = Script::new(faults, Arc::clone(&record));
        Self { script: Rc::new(RefCell::new(script)), record }
    }

    fn line(&self) -> Line {
        Line::new(&self.script)
    }

    fn happened(&self) -> Vec<u64> {
        self.record.stats().faults
    }
}

fn message(kind: &str) -> Output {
    Output::Text(format!(r#"{{"type":"{kind}","channel":0}}"#))
}

fn at(kind: &str, number: u64) -> Point {
    Point::At(Messages { kind: Some(kind.to_owned()), number })
}

fn after(kind: Option<&str>, number: u64) -> Point {
    Point::After(Messages { kind: kind.map(str::to_owned), number })
}

fn said(kind: &str) -> Step {
    Step::Say(message(kind))
}

fn inject(text: &str) -> Action {
    Action::Inject(Injection::text(text))
}

fn injected(text: &str) -> Step {
    Step::Inject(Injection::text(text))
}

const CUT: Action = Action::Cut { bytes: 0, reset: true };
const CUT_OFF: Step = Step::End(Ending::Cut { reset: true });

#[test]
fn without_faults_everything_is_said_as_it_is() {
    let mut line = Play::new(Vec::new()).line();
    let close = Output::Close { code: 1000, reason: "Bye".to_owned() };
    let outputs = vec![message("SETUP"), Output::Text("{".to_owned()), close.clone()];
    let steps: Vec<Step> = outputs.iter().cloned().map(Step::Say).collect();
    assert_eq!(line.steps(outputs), steps);
    assert_eq!(line.steps(Vec::new()), []);
}

#[test]
fn a_fault_takes_the_place_of_a_message_or_follows_it() {
    let play = Play::new(vec![
        Fault::new(at("B", 2), inject("first")),
        Fault::new(at("B", 2), Action::Omit),
        Fault::new(after(Some("A"), 2), inject("second")),
    ]);
    let mut line = play.line();
    let outputs = ["A", "B", "A", "B", "B"].map(message).to_vec();
    let steps = [said("A"), said("B"), said("A"), injected("second"), injected("first"), said("B")];
    assert_eq!(line.steps(outputs), steps);
    assert_eq!(play.happened(), [1, 1, 1]);
}

#[test]
fn a_fault_after_no_message_happens_when_the_socket_is_open() {
    let play = Play::new(vec![Fault::new(after(None, 0), inject("hello"))]);
    let mut line = play.line();
    assert_eq!(line.steps(Vec::new()), [injected("hello")]);
    assert_eq!(line.steps(vec![message("SETUP")]), [said("SETUP")]);
}

#[test]
fn a_fault_comes_at_so_many_messages_in_a_row_or_always() {
    let twice = Fault { times: Some(2), ..Fault::new(at("A", 2), Action::Omit) };
    let always = Fault { times: None, ..Fault::new(at("B", 2), Action::Omit) };
    let play = Play::new(vec![twice, always]);
    let outputs = ["A", "B", "A", "B", "A", "B", "A", "B"].map(message).to_vec();
    assert_eq!(play.line().steps(outputs), [said("A"), said("B"), said("A")]);
    assert_eq!(play.happened(), [2, 3]);
}

#[test]
fn nothing_follows_an_end() {
    let part = Action::Cut { bytes: 7, reset: true };
    let play = Play::new(vec![
        Fault::new(at("B", 1), part),
        Fault::new(at("B", 1), inject("never")),
        Fault::new(after(None, 1), inject("once")),
    ]);
    let outputs = ["A", "B", "C"].map(message).to_vec();
    let text = r#"{"type":"B","channel":0}"#.to_owned();
    let steps = [said("A"), injected("once"), Step::Part(text, 7), CUT_OFF];
    assert_eq!(play.line().steps(outputs), steps);
    assert_eq!(play.happened(), [1, 0, 1]);
}

#[test]
fn messages_are_repeated_and_rewritten() {
    let rewrite = Action::Rewrite { old: "0".to_owned(), new: "77".to_owned() };
    let play =
        Play::new(vec![Fault::new(at("A", 1), Action::Repeat(2)), Fault::new(at("A", 1), rewrite)]);
    let rewritten = Step::Say(Output::Text(r#"{"type":"A","channel":77}"#.to_owned()));
    assert_eq!(
        play.line().steps(vec![message("A"), message("A")]),
        [rewritten.clone(), rewritten.clone(), rewritten, said("A")]
    );
}

#[test]
fn connections_are_numbered_as_they_come() {
    let fault = |numbers| Fault {
        connections: Connections::Numbers(numbers),
        ..Fault::new(Point::Accept, CUT)
    };
    let play = Play::new(vec![fault(1..=2), fault(3..=3)]);
    let ends: Vec<bool> = (0..4).map(|_| !play.line().stage(&Point::Accept).is_empty()).collect();
    assert_eq!(ends, [true, true, true, false]);
    assert_eq!(play.happened(), [2, 1]);
}

#[test]
fn other_faults_hold_for_open_connections_too_and_counts_begin_anew() {
    let play = Play::new(vec![Fault::new(after(Some("A"), 2), inject("old"))]);
    let mut line = play.line();
    line.steps(vec![message("A")]);
    let of = |numbers, text| Fault {
        connections: Connections::Numbers(numbers),
        ..Fault::new(after(Some("A"), 1), inject(text))
    };
    let faults =
        vec![of(0..=0, "open"), of(1..=1, "to come"), Fault::new(after(None, 0), inject("now"))];
    play.script.borrow_mut().set(faults);
    assert_eq!(line.steps(Vec::new()), [injected("now")]);
    assert_eq!(line.steps(vec![message("A")]), [said("A"), injected("open")]);
    assert_eq!(
        play.line().steps(vec![message("A")]),
        [injected("now"), said("A"), injected("to come")]
    );
    assert_eq!(play.happened(), [1, 1, 2]);
}
