//! Makes a map of points, and says how long that took:
//!
//! `cargo run --release -p cantus-eval --example tsne_map -- POINTS.csv MAP.csv [MAP.svg]`
//!
//! A line is a point: numbers between commas. Where the first field is no number it names the
//! point's class, which the picture shows; a first line of column names is skipped. `MAP.csv` has
//! x and y of each point. `RAYON_NUM_THREADS` says how many threads there are.
#![expect(clippy::print_stdout, reason = "an example speaks to its reader")]

use std::error::Error;
use std::fmt::Write;
use std::ops::ControlFlow;
use std::time::Instant;

use cantus_eval::{MapPoint, Placement, TsnePlan, scatter_svg};

fn main() -> Result<(), Box<dyn Error>> {
    run().map_err(|error| error.to_string().into())
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output, picture @ ..] = arguments.as_slice() else {
        return Err("usage: tsne_map POINTS.csv MAP.csv [MAP.svg]".into());
    };
    let points = Points::parse(&std::fs::read_to_string(input)?)?;
    println!("{} points of {} numbers", points.classes.len(), points.dimensions);

    let start = Instant::now();
    let plan = TsnePlan::default();
    let map = plan.run_observed(&points.numbers, points.dimensions, |progress| {
        let seconds = start.elapsed().as_secs_f64();
        println!("{seconds:7.2} s  {:5}  KL {:.4}", progress.iteration, progress.kl_divergence);
        ControlFlow::Continue(())
    })?;

    let mut lines = String::from("x,y\n");
    for [x, y] in &map.positions {
        writeln!(lines, "{x},{y}")?;
    }
    std::fs::write(output, lines)?;
    if let Some(picture) = picture.first() {
        let point = |(&position, &class)| MapPoint { position, class };
        let placed: Vec<MapPoint> = map.positions.iter().zip(&points.classes).map(point).collect();
        let svg = scatter_svg(&placed, &points.labels, input, "points", Placement::Standalone)?;
        std::fs::write(picture, svg)?;
    }
    Ok(())
}

struct Points {
    numbers: Vec<f32>,
    dimensions: usize,
    labels: Vec<String>,
    classes: Vec<usize>,
}

impl Points {
    fn parse(text: &str) -> Result<Self, Box<dyn Error>> {
        let mut points =
            Self { numbers: Vec::new(), dimensions: 0, labels: Vec::new(), classes: Vec::new() };
        for (index, line) in text.lines().enumerate() {
            let mut fields: Vec<&str> = line.split(',').map(str::trim).collect();
            let named = fields[0].parse::<f32>().is_err();
            let label = if named { fields.remove(0) } else { "all" };
            let numbers: Result<Vec<f32>, _> = fields.iter().map(|field| field.parse()).collect();
            let numbers = match numbers {
                Ok(numbers) if !numbers.is_empty() => numbers,
                _ if index == 0 => continue,
                _ => return Err(format!("line {} is no point: {line:?}", index + 1).into()),
            };
            if points.dimensions == 0 {
                points.dimensions = numbers.len();
            } else if points.dimensions != numbers.len() {
                return Err(format!("line {} has {} numbers", index + 1, numbers.len()).into());
            }
            points.numbers.extend(numbers);
            let known = points.labels.iter().position(|known| known == label);
            points.classes.push(known.unwrap_or(points.labels.len()));
            if known.is_none() {
                points.labels.push(label.to_owned());
            }
        }
        Ok(points)
    }
}
