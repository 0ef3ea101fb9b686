//! Timelines as pictures: which colour stands where, for how long.

use cantus_eval::{EvalError, Placement, TimelineClip, timeline_svg};
use roxmltree::{Document, Node};

use crate::hostile_names::{all_text, assert_tame, hostile_labels, parse};
use crate::samples::{favouring, numbered_labels};

/// Clips of 3 s, one after the other from 0 on.
fn clips(rows: &[Vec<f32>]) -> Vec<TimelineClip<'_>> {
    rows.iter()
        .enumerate()
        .map(|(clip, row)| TimelineClip { start_seconds: 3.0 * clip as f64, probabilities: row })
        .collect()
}

fn draw(rows: &[Vec<f32>], labels: &[String]) -> String {
    timeline_svg(&clips(rows), 3.0, labels, "A song", Placement::Standalone).unwrap()
}

fn of_class<'a>(document: &'a Document<'_>, class: &str) -> Vec<Node<'a, 'a>> {
    let is_of = |node: &Node<'_, '_>| {
        node.attribute("class").is_some_and(|all| all.split(' ').any(|one| one == class))
    };
    document.descendants().filter(is_of).collect()
}

/// Hue, where it starts, how wide it is.
fn strip(svg: &str) -> Vec<(String, f64, f64)> {
    let number = |node: &Node<'_, '_>, name| node.attribute(name).unwrap().parse().unwrap();
    of_class(&parse(svg), "stretch")
        .iter()
        .map(|node| {
            let hue = node.attribute("style").unwrap_or("grey").to_owned();
            (hue, number(node, "x"), number(node, "width"))
        })
        .collect()
}

#[test]
fn the_strip_has_the_most_probable_class_of_each_time_and_neighbours_are_one() {
    let rows = [0, 0, 2, 1].map(|class| favouring(class, 3)).to_vec();
    let strip = strip(&draw(&rows, &numbered_labels(3)));
    let hue = |class| format!("fill:var(--hue-{class})");
    let expected = [(hue(0), 0.0, 188.0), (hue(2), 188.0, 94.0), (hue(1), 282.0, 94.0)];
    assert_eq!(strip, expected);
}

#[test]
fn layers_are_stacked_from_the_largest_mean_up_by_their_probabilities() {
    let rows = vec![vec![0.25, 0.75], vec![0.5, 0.5]];
    let svg = draw(&rows, &numbered_labels(2));
    let paths: Vec<(String, String)> = of_class(&parse(&svg), "layer")
        .iter()
        .map(|node| ["style", "d"].map(|name| node.attribute(name).unwrap().to_owned()).into())
        .collect();
    // 208 pixels of height, 188 of width a clip; class 1 lies below.
    let lower = "M0 52V52H188V104H376V208H188V208H0z";
    let upper = "M0 0V0H188V0H376V104H188V52H0z";
    let expected = [("fill:var(--hue-1)", lower), ("fill:var(--hue-0)", upper)];
    assert_eq!(paths, expected.map(|(hue, path)| (hue.to_owned(), path.to_owned())));
}

#[test]
fn the_legend_has_the_means_and_of_many_classes_the_rest_as_one() {
    let rows = vec![favouring(11, 12), favouring(3, 12), favouring(11, 12)];
    let labels = numbered_labels(12);
    let document_text = draw(&rows, &labels);
    let document = parse(&document_text);
    let legend = of_class(&document, "legend")[0];
    let lines: Vec<String> = legend
        .children()
        .filter(Node::is_element)
        .map(|line| line.first_element_child().unwrap().text().unwrap().replace('\n', " "))
        .collect();
    assert_eq!(lines.len(), 10);
    assert!(lines[0].starts_with(labels[11].as_str()), "{lines:?}");
    assert!(lines[1].starts_with(labels[3].as_str()), "{lines:?}");
    assert!(lines[9].starts_with("3 others"), "{lines:?}");
    let sum: f64 = lines
        .iter()
        .map(|line| line.split(' ').rev().nth(1).unwrap().parse::<f64>().unwrap())
        .sum();
    assert!((sum - 100.0).abs() < 0.6, "{sum}");
}

#[test]
fn a_long_recording_has_a_column_for_several_clips_and_its_ends_stay() {
    let rows: Vec<Vec<f32>> = (0..1200).map(|clip| favouring(clip / 600, 2)).collect();
    let svg = draw(&rows, &numbered_labels(2));
    let document = parse(&svg);
    assert_eq!(of_class(&document, "reach").len(), 400);
    assert!(all_text(&document).contains("1200 clips of 3.0 s; the mean of 3 a column"));
    let strip = strip(&svg);
    assert_eq!(strip.len(), 2);
    assert!((strip[1].1 - 436.0).abs() < 0.2, "{strip:?}");
    let times: Vec<String> =
        of_class(&document, "time").iter().map(|node| node.text().unwrap().to_owned()).collect();
    assert_eq!((times[0].as_str(), times[times.len() - 1].as_str()), ("0:00:00", "1:00:00"));
}

#[test]
fn a_part_from_the_middle_starts_at_its_own_time() {
    let row = favouring(0, 2);
    let clips =
        [98.0, 101.0].map(|start_seconds| TimelineClip { start_seconds, probabilities: &row });
    let svg = timeline_svg(&clips, 3.0, &numbered_labels(2), "t", Placement::Inline).unwrap();
    let document = parse(&svg);
    let times: Vec<&str> =
        of_class(&document, "time").iter().map(|node| node.text().unwrap()).collect();
    assert_eq!(times[0], "1:38");
    let pointed = of_class(&document, "reach")[1].first_element_child().unwrap();
    assert!(pointed.text().unwrap().starts_with("1:41, "), "{pointed:?}");
}

#[test]
fn hostile_names_are_well_formed_and_tame() {
    let labels = hostile_labels();
    let rows: Vec<Vec<f32>> =
        (0..labels.len()).map(|class| favouring(class, labels.len())).collect();
    for placement in [Placement::Standalone, Placement::Inline] {
        let title = &labels[3];
        let svg = timeline_svg(&clips(&rows), 3.0, &labels, title, placement).unwrap();
        let document = parse(&svg);
        assert_tame(&document, 0);
        let text = all_text(&document);
        assert!(text.contains(labels[0].as_str()), "the name itself is still to be read");
        assert!(text.contains(title.as_str()));
    }
}

#[test]
fn what_cannot_be_drawn_is_refused_by_the_clip() {
    let labels = numbered_labels(2);
    let (good, long) = (favouring(0, 2), favouring(0, 3));
    let wrong = [f32::NAN, 0.5];
    let clip = |start_seconds, probabilities| TimelineClip { start_seconds, probabilities };
    let refused = |clips: &[TimelineClip<'_>], clip_seconds| {
        timeline_svg(clips, clip_seconds, &labels, "t", Placement::Inline).unwrap_err().to_string()
    };
    for (second, problem) in [
        (clip(0.0, good.as_slice()), "starts at 0 s"),
        (clip(f64::NAN, &good), "starts at NaN s"),
        (clip(f64::INFINITY, &good), "starts at inf s"),
        (clip(3.0, &long), "has 3 probabilities for 2 classes"),
        (clip(3.0, &wrong), "has a probability of NaN"),
    ] {
        let said = refused(&[clip(0.0, &good), second], 3.0);
        assert_eq!(said, format!("clip 1 of the timeline {problem}"));
    }
    for length in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(refused(&[clip(0.0, &good)], length).contains("has a length of"));
    }
    let none = timeline_svg(&[], 3.0, &labels, "t", Placement::Inline);
    assert!(matches!(none, Err(EvalError::NoPredictions)));
    let nameless = timeline_svg(&[clip(0.0, &good)], 3.0, &[], "t", Placement::Inline);
    assert!(matches!(nameless, Err(EvalError::NoClasses)));
}
