//! F1 over the length of clips: which point, bar and mark stands where.

use cantus_eval::{
    Estimate, Grid, GridPoint, GridTrial, Level, LevelScores, Placement, PublishedScore,
    clip_length_svg,
};
use roxmltree::{Document, Node};

use crate::hostile_names::{all_text, assert_tame, hostile_labels, parse};

/// Pixels of a panel.
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 230.0;

/// A trial that scores `f1` by clip, and half of that by song.
fn trial(model: &str, split: &str, seconds: f64, seed: u64, f1: f64) -> GridTrial {
    let scores = |f1: f64| {
        let estimate = Estimate { value: f1, low: None, high: None };
        LevelScores {
            count: 40,
            weighted_f1: estimate,
            macro_f1: estimate,
            accuracy: estimate,
            balanced_accuracy: estimate,
        }
    };
    GridTrial {
        point: GridPoint {
            model: model.to_owned(),
            split: split.to_owned(),
            clip: format!("{seconds}s"),
            clip_seconds: seconds,
        },
        seed,
        folds: None,
        parts: Vec::new(),
        clip: scores(f1),
        song_vote: scores(f1 / 2.0),
        song_mean: scores(f1 / 2.0),
    }
}

fn grid() -> Grid {
    Grid::new(vec![
        trial("crnn2d", "song", 10.0, 0, 0.75),
        trial("crnn2d", "song", 1.0, 0, 0.5),
        trial("crnn2d", "song", 1.0, 21, 0.75),
        trial("crnn2d", "song", 3.0, 0, 1.0),
        trial("crnn2d", "album", 1.0, 0, 0.25),
        trial("crnn2d", "album", 10.0, 0, 0.5),
    ])
}

fn draw(grid: &Grid, levels: &[Level], chance: Option<f64>) -> String {
    clip_length_svg(grid, levels, chance, "F1 by clip length", Placement::Standalone).unwrap()
}

/// The nodes of all these classes inside of panels, so not those of the legend.
fn in_panels<'a>(document: &'a Document<'_>, classes: &str) -> Vec<Node<'a, 'a>> {
    let has_all = |node: &Node<'_, '_>| {
        let all: Vec<&str> = node.attribute("class").unwrap_or_default().split(' ').collect();
        classes.split(' ').all(|class| all.contains(&class))
    };
    let is_panel =
        |node: &Node<'_, '_>| node.children().any(|child| child.attribute("class") == Some("axis"));
    document
        .descendants()
        .filter(is_panel)
        .flat_map(|panel| panel.children())
        .filter(has_all)
        .collect()
}

/// Where the panel is that a node stands in.
fn panel_place<'a>(node: Node<'a, '_>) -> &'a str {
    node.parent().unwrap().attribute("transform").unwrap()
}

fn number(node: Node<'_, '_>, attribute: &str) -> f64 {
    node.attribute(attribute).unwrap().parse().unwrap()
}

/// The numbers in a path, and the letters before them.
fn path(node: Node<'_, '_>) -> Vec<(char, Vec<f64>)> {
    let text = node.attribute("d").unwrap();
    let starts: Vec<usize> = text
        .match_indices(char::is_alphabetic)
        .map(|(index, _)| index)
        .chain([text.len()])
        .collect();
    starts
        .windows(2)
        .map(|piece| {
            let numbers = text[piece[0] + 1..piece[1]].split_whitespace();
            let letter = text[piece[0]..].chars().next().unwrap();
            (letter, numbers.map(|number| number.parse().unwrap()).collect())
        })
        .collect()
}

fn assert_close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 0.051, "{found} is not {expected}");
}

#[test]
fn clip_lengths_stand_evenly_apart_from_the_shortest_up() {
    let svg = draw(&grid(), &[Level::Clip], None);
    let document = parse(&svg);
    let found: Vec<(&str, f64)> = in_panels(&document, "clip")
        .iter()
        .map(|tick| (tick.text().unwrap(), number(*tick, "x")))
        .collect();
    assert_eq!(found, [("1s", 66.7), ("3s", 200.0), ("10s", 333.3)]);
}

#[test]
fn means_stand_at_their_scores_and_the_two_splits_side_by_side() {
    let svg = draw(&grid(), &[Level::Clip], None);
    let document = parse(&svg);
    let song = in_panels(&document, "dot one");
    let heights: Vec<f64> = song.iter().map(|dot| number(*dot, "cy")).collect();
    for (found, mean) in heights.iter().zip([0.625, 1.0, 0.75]) {
        assert_close(*found, HEIGHT * (1.0 - mean));
    }
    assert_eq!(heights.len(), 3);
    let album = in_panels(&document, "dot two");
    assert_eq!(album.len(), 2);
    let middle = WIDTH / 6.0;
    assert_close(f64::midpoint(number(song[0], "cx"), number(album[0], "cx")), middle);
    assert!(number(song[0], "cx") < middle);
}

#[test]
fn a_bar_reaches_the_standard_deviation_up_and_down_and_one_trial_has_none() {
    let svg = draw(&grid(), &[Level::Clip], None);
    let document = parse(&svg);
    let bars = in_panels(&document, "whisker");
    assert_eq!(bars.len(), 1);
    // Of 0.5 and 0.75: a mean of 0.625, a deviation of a sample of 0.25 over the root of 2.
    let deviation = 0.25 / std::f64::consts::SQRT_2;
    let pieces = path(bars[0]);
    let (start, end) = (pieces[0].1[1], pieces[1].1[0]);
    assert_eq!((pieces[0].0, pieces[1].0), ('M', 'V'));
    assert_close(start, HEIGHT * (1.0 - 0.625 - deviation));
    assert_close(end, HEIGHT * (1.0 - 0.625 + deviation));
    assert_close(pieces[0].1[0], number(in_panels(&document, "dot one")[0], "cx"));
}

#[test]
fn a_bar_ends_where_f1_does() {
    let grid = Grid::new(vec![trial("m", "song", 1.0, 0, 0.02), trial("m", "song", 1.0, 1, 1.0)]);
    let svg = draw(&grid, &[Level::Clip], None);
    let document = parse(&svg);
    let pieces = path(in_panels(&document, "whisker")[0]);
    assert_eq!((pieces[0].1[1], pieces[1].1[0]), (0.0, HEIGHT));
}

#[test]
fn every_trial_is_a_dot_that_says_its_seed() {
    let svg = draw(&grid(), &[Level::Clip], None);
    let document = parse(&svg);
    let dots = in_panels(&document, "trial");
    assert_eq!(dots.len(), 6);
    let of_seed = |dot: &&Node<'_, '_>| {
        dot.first_element_child().unwrap().text() == Some("song split, 1s, seed 21: 0.750")
    };
    let dot = dots.iter().find(of_seed).expect("the trial of seed 21");
    assert_close(number(*dot, "cy"), HEIGHT * 0.25);
}

#[test]
fn a_clip_length_without_a_trial_breaks_the_line() {
    let svg = draw(&grid(), &[Level::Clip], None);
    let document = parse(&svg);
    let letters = |class: &str| -> String {
        path(in_panels(&document, class)[0]).iter().map(|piece| piece.0).collect()
    };
    assert_eq!(letters("line one"), "MLL");
    assert_eq!(letters("line two"), "MM");
}

#[test]
fn each_level_has_a_panel_of_its_own_scores() {
    let svg = draw(&grid(), &[Level::Clip, Level::SongVote], None);
    let document = parse(&svg);
    let heights: Vec<f64> =
        in_panels(&document, "dot two").iter().map(|dot| number(*dot, "cy")).collect();
    for (found, score) in heights.iter().zip([0.25, 0.5, 0.125, 0.25]) {
        assert_close(*found, HEIGHT * (1.0 - score));
    }
    let text = all_text(&document);
    assert!(text.contains("weighted F1: clips") && text.contains("weighted F1: songs, by vote"));
}

#[test]
fn each_of_several_models_has_a_row_of_panels_with_its_name() {
    let mut trials = grid().trials().to_vec();
    trials.push(trial("gaussians", "song", 3.0, 0, 0.25));
    let svg = draw(&Grid::new(trials), &[Level::Clip, Level::SongVote], None);
    let document = parse(&svg);
    let rows: Vec<(&str, &str)> = in_panels(&document, "model")
        .iter()
        .map(|name| (name.last_child().unwrap().text().unwrap(), panel_place(*name)))
        .collect();
    assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), ["crnn2d", "gaussians"]);
    // The score of the other model, by clip, stands in its row.
    let low = in_panels(&document, "dot one").into_iter().find(|dot| number(*dot, "cy") > 171.0);
    assert_eq!(panel_place(low.unwrap()), rows[1].1);
    // All panels have all clip lengths.
    assert_eq!(in_panels(&document, "clip").len(), 4 * 3);
    assert!(!all_text(&parse(&draw(&grid(), &[Level::Clip], None))).contains("crnn2d"));
}

#[test]
fn published_scores_and_chance_are_marked_where_they_are_given() {
    let published = |level, clip_seconds, mean| PublishedScore {
        model: "crnn2d".to_owned(),
        split: "album".to_owned(),
        clip_seconds,
        level,
        mean,
        best: mean,
    };
    let grid = grid().beside(vec![
        published(Level::Clip, 3.0, 0.5),
        published(Level::SongVote, 1.0, 0.9),
        published(Level::Clip, 30.0, 0.9),
    ]);
    let svg = draw(&grid, &[Level::Clip], Some(0.05));
    let document = parse(&svg);
    let marks = in_panels(&document, "published");
    assert_eq!(marks.len(), 1, "of this level and of a clip length that there is");
    assert_close(path(marks[0])[0].1[1], HEIGHT / 2.0);
    assert_close(path(in_panels(&document, "chance")[0])[0].1[1], HEIGHT * 0.95);
    let legend = |svg: &str| {
        let document = parse(svg);
        let texts =
            document.descendants().filter_map(|node| node.text().filter(|_| node.is_text()));
        texts.filter(|text| ["published", "chance"].contains(text)).count()
    };
    assert_eq!(legend(&svg), 2);
    assert_eq!(legend(&draw(&self::grid(), &[Level::Clip], None)), 0);
}

#[test]
fn names_that_are_hostile_are_only_ever_text() {
    let names = hostile_labels();
    let trials = names
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let mut trial = trial(name, &names[index % 3], index as f64, 0, 0.5);
            trial.point.clip.clone_from(name);
            trial
        })
        .collect();
    let svg = draw(&Grid::new(trials), &Level::ALL, Some(0.1));
    let document = parse(&svg);
    assert_tame(&document, 0);
    let long = &names[7];
    let text = all_text(&document);
    assert!(text.contains(&**long), "the whole name is still to be read");
    assert!(text.contains("long long long long long long long long long lo…"), "{text}");
}

#[test]
fn grids_of_no_trial_and_of_no_number_are_drawn() {
    let empty = draw(&Grid::default(), &[Level::Clip, Level::SongVote], None);
    assert!(all_text(&parse(&empty)).contains("no trials yet"));
    let nothing = Grid::new(vec![
        trial("m", "song", 1.0, 0, f64::NAN),
        trial("m", "song", 1.0, 1, 0.5),
        trial("m", "song", f64::NAN, 0, 0.5),
    ]);
    let svg = draw(&nothing, &[Level::Clip], Some(f64::NAN));
    let document = parse(&svg);
    assert!(all_text(&document).contains("weighted F1: clips"));
    for node in document.descendants() {
        for attribute in node.attributes() {
            let value = attribute.value();
            assert!(!value.contains("NaN") && !value.contains("inf"), "{attribute:?}");
        }
    }
}

#[test]
fn the_order_of_the_trials_changes_no_byte() {
    let mut trials = grid().trials().to_vec();
    trials.reverse();
    let levels = [Level::Clip, Level::SongVote];
    assert_eq!(draw(&Grid::new(trials), &levels, Some(0.05)), draw(&grid(), &levels, Some(0.05)));
}
