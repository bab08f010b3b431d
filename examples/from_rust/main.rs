//! Steps a built model over lines of numbers, and carries its state from one run to the next: `./stream state.bin < samples.csv`
//! A first line without any number is a header, and is skipped.

#[allow(dead_code)] // a program uses what it needs
mod edgelstm;

use edgelstm::{Refused, Stream};
use std::{env, error::Error, fs, io, process::ExitCode};

/// Whether a line of cells between commas holds no number at all.
fn is_header(line: &str) -> bool {
    !line.trim().is_empty() && line.split(',').all(|cell| cell.trim().parse::<f32>().is_err())
}

fn run(state: &str) -> Result<(), Box<dyn Error>> {
    let mut stream = Stream::new();
    match fs::read(state) {
        Ok(blob) => stream.restore(&blob).map_err(|why| format!("{state}: {why:?}"))?,
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => {} // a first run
        Err(problem) => return Err(format!("{state}: {problem}").into()),
    }
    let mut y = vec![0.0; stream.output_size];
    for (number, line) in (1..).zip(io::stdin().lines()) {
        let words = line?;
        if number == 1 && is_header(&words) {
            continue;
        }
        let x: Result<Vec<f32>, _> = words.split(',').map(|word| word.trim().parse()).collect();
        let x = x.map_err(|problem| format!("line {number}: {problem}"))?;
        if x.len() != stream.input_size {
            return Err(format!("line {number}: expected {} numbers", stream.input_size).into());
        }
        if let Err(Refused::Sample(_)) = stream.step(&x, &mut y) {
            eprintln!("line {number}: a value that must not enter the state; skipped");
            continue;
        }
        println!("{}", y.iter().map(f32::to_string).collect::<Vec<_>>().join(","));
    }
    fs::write(state, stream.snapshot())?;
    Ok(())
}

fn main() -> ExitCode {
    match env::args().nth(1).map(|state| run(&state)) {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(problem)) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
        None => {
            eprintln!("usage: stream STATE < samples.csv");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_steps_and_snapshots_agree() {
        let mut stream = Stream::new();
        let (inputs, outputs, steps) = (stream.input_size, stream.output_size, 50);
        let x: Vec<f32> = (0..steps * inputs).map(|k| ((k * 37 % 101) as f32 - 50.0) / 50.0).collect();
        let mut whole = vec![0.0; steps * outputs];
        stream.process(&x, &mut whole).unwrap();
        stream.reset();
        let (mut y, mut blob) = (vec![0.0; outputs], Vec::new());
        for t in 0..steps {
            if t == 20 {
                blob = stream.snapshot();
            }
            stream.step(&x[t * inputs..][..inputs], &mut y).unwrap();
            assert_eq!(y, whole[t * outputs..][..outputs]);
        }
        let rest = std::thread::spawn(move || {
            let mut other = Stream::new();
            other.restore(&blob).unwrap();
            let mut rest = vec![0.0; 30 * outputs];
            other.process(&x[20 * inputs..], &mut rest).unwrap();
            rest
        });
        assert_eq!(rest.join().unwrap(), whole[20 * outputs..]);
    }

    #[test]
    fn what_is_wrong_changes_nothing() {
        let mut stream = Stream::new();
        let before = stream.snapshot();
        let mut y = vec![0.0; 3 * stream.output_size];
        let mut x = vec![0.0; 3 * stream.input_size];
        x[2 * stream.input_size] = f32::NAN;
        assert_eq!(stream.process(&x, &mut y), Err(Refused::Sample(2)));
        let mut damaged = before.clone();
        damaged[80] ^= 1;
        assert_eq!(stream.restore(&damaged), Err(Refused::Damaged));
        assert_eq!(stream.restore(&before[1..]), Err(Refused::Damaged));
        assert_eq!(stream.snapshot(), before);
        assert!(Stream::info().starts_with('{'));
    }
}
