//! The full-screen view: takes over the terminal when a run begins and restores it however the run ends. Drawing and keys have their own
//! thread, so that they never wait for the run and the run never waits for them.

use std::io::{self, IsTerminal, Stderr, Write, stderr, stdin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{QueueableCommand, execute};
use tokio::sync::mpsc::UnboundedSender;

use super::lines::Lines;
use super::run_progress::RunProgress;
use super::view::{Tab, View, draw};
use crate::run_event::{Listener, RunEvent, Wish};
use crate::terminal;

/// The longest time until a key or an event is shown.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often the screen is redrawn if nothing happens, because it shows clocks.
const REDRAW_EVERY: Duration = Duration::from_millis(500);

/// Whether this process has a terminal to draw on and to read keys from; not in a pipe, in the background or under a supervisor.
pub fn can_be_shown() -> bool {
    // The kernel stops a background process that changes the terminal's settings.
    let in_front =
        rustix::termios::tcgetpgrp(stderr()).is_ok_and(|group| group == rustix::process::getpgrp());
    terminal::is_able(&stderr()) && stdin().is_terminal() && in_front
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn take_terminal() -> io::Result<Terminal<CrosstermBackend<Stderr>>> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // The panic message is readable only on the restored terminal.
            give_back();
            before(info);
        }));
    });
    enable_raw_mode()?;
    terminal::take();
    execute!(stderr(), EnterAlternateScreen)?;
    let mut terminal = Terminal::new(CrosstermBackend::new(stderr()))?;
    terminal.hide_cursor()?;
    Ok(terminal)
}

/// Restores the terminal; a second call does nothing.
fn give_back() {
    terminal::give_back(|| {
        // Errors are ignored: a terminal that was closed needs no restoring.
        let mut err = stderr();
        let shown = err
            .queue(LeaveAlternateScreen)
            .and_then(|e| e.queue(Show))
            .and_then(Write::flush);
        disable_raw_mode().and(shown).ok();
    });
}

/// The full screen of a run.
pub struct Screen {
    progress: Arc<Mutex<RunProgress>>,
    wishes: UnboundedSender<Wish>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Plain lines, if the terminal can't be taken over.
    instead: Option<Lines>,
}

impl Screen {
    /// A screen that is shown from the first event on and sends keys as wishes.
    pub fn new(wishes: UnboundedSender<Wish>) -> Self {
        Self {
            progress: Arc::default(),
            wishes,
            over: Arc::default(),
            thread: None,
            instead: None,
        }
    }

    fn start(&mut self) -> io::Result<()> {
        let terminal = take_terminal()?;
        let watch = Watch {
            terminal,
            progress: self.progress.clone(),
            wishes: self.wishes.clone(),
            over: self.over.clone(),
            view: View::default(),
        };
        let thread = std::thread::Builder::new().name("screen".into());
        self.thread = Some(thread.spawn(move || watch.run())?);
        Ok(())
    }
}

impl Listener for Screen {
    fn event(&mut self, event: &RunEvent) {
        let first = self.thread.is_none() && self.instead.is_none();
        if first && let Err(e) = self.start() {
            give_back();
            terminal::note(&format!(
                "the full screen can't be shown ({e}); showing plain lines instead"
            ));
            self.instead = Some(Lines::default());
        }
        match &mut self.instead {
            Some(lines) => lines.event(event),
            None => lock(&self.progress).event(event),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // If the thread panicked, the panic hook has printed why.
            thread.join().ok();
        }
        give_back();
    }
}

/// The part of the screen that runs in its own thread.
struct Watch {
    terminal: Terminal<CrosstermBackend<Stderr>>,
    progress: Arc<Mutex<RunProgress>>,
    wishes: UnboundedSender<Wish>,
    over: Arc<AtomicBool>,
    view: View,
}

impl Watch {
    fn run(mut self) {
        // If the terminal is closed, the run continues without a screen.
        while !self.over.load(Ordering::SeqCst) && self.turn().is_ok() {}
    }

    /// Draws the screen, then waits for keys until it is time to draw again.
    fn turn(&mut self) -> io::Result<()> {
        if !terminal::is_taken() {
            return Err(io::Error::other("another thread has panicked"));
        }
        let drawn = Instant::now();
        let seen = {
            let progress = lock(&self.progress);
            self.terminal
                .draw(|frame| draw(frame, &progress, self.view))?;
            progress.told
        };
        loop {
            if event::poll(LOOK_EVERY)? {
                match event::read()? {
                    Event::Key(key) if key.kind == KeyEventKind::Press => self.key(key),
                    // The next drawing detects a new size itself.
                    _ => {}
                }
                return Ok(());
            }
            let news = lock(&self.progress).told != seen;
            let over = self.over.load(Ordering::SeqCst);
            if news || over || drawn.elapsed() >= REDRAW_EVERY {
                return Ok(());
            }
        }
    }

    fn key(&mut self, key: KeyEvent) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let wish = |wish| {
            // The receiver is gone if the run has just ended.
            self.wishes.send(wish).ok();
        };
        match key.code {
            // Ctrl-\ comes as Ctrl-4.
            KeyCode::Char('c' | '4' | '\\') if control => wish(Wish::Stop),
            _ if self.view.help => self.view.help = false,
            KeyCode::Char('q') => wish(Wish::Stop),
            KeyCode::Char('p') => wish(Wish::ToggleHold),
            KeyCode::Char('?' | 'h') => self.view.help = true,
            KeyCode::Tab | KeyCode::Right => self.view.tab = self.view.tab.further(1),
            KeyCode::BackTab | KeyCode::Left => {
                self.view.tab = self.view.tab.further(Tab::ALL.len() - 1);
            }
            KeyCode::Char(digit) => {
                let page = digit.to_digit(10).and_then(|d| d.checked_sub(1));
                if let Some(tab) = page.and_then(|p| Tab::ALL.get(p as usize)) {
                    self.view.tab = *tab;
                }
            }
            _ => {}
        }
    }
}
