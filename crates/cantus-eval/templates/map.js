(function () {
  var view = document.getElementById("map-view");
  if (!view) return;
  view.hidden = false;
  var data = JSON.parse(document.getElementById("map-data").textContent);
  var canvas = view.querySelector("canvas");
  var tip = view.querySelector(".map-tip");
  var ring = view.querySelector(".map-ring");
  var legend = view.querySelector(".map-legend");
  var buttons = Array.from(legend.querySelectorAll("button"));
  var context = canvas.getContext("2d");

  function bytes(text) {
    var raw = atob(text), result = new DataView(new ArrayBuffer(raw.length));
    for (var i = 0; raw.length > i; i++) result.setUint8(i, raw.charCodeAt(i));
    return result;
  }
  /* A level of the map: places from 0 to 1, and the song of each. */
  function level(text, songs, radius) {
    var raw = bytes(text), count = raw.byteLength / 4;
    var result = { count: count, x: new Float32Array(count), y: new Float32Array(count),
      song: songs, radius: radius, step: 1 };
    for (var i = 0; count > i; i++) {
      result.x[i] = raw.getUint16(4 * i, true) / 65535;
      result.y[i] = raw.getUint16(4 * i + 2, true) / 65535;
    }
    /* Points are drawn by strides, so that no artist lies on top of all others. */
    function common(a, b) { return b === 0 ? a : common(b, a % b); }
    var step = Math.floor(count * 0.618) + 1;
    while (common(step, count) !== 1) step++;
    result.step = step;
    return result;
  }
  var songOfClip = [], firstClip = [];
  data.songs.forEach(function (song, index) {
    firstClip.push(songOfClip.length);
    for (var i = 0; song[2] > i; i++) songOfClip.push(index);
  });
  var starts = bytes(data.starts);
  function radius(count) { return Math.min(6, Math.max(1.6, 150 / Math.sqrt(count))); }
  var levels = {
    clips: level(data.clipPlaces, songOfClip, radius(songOfClip.length)),
    songs: level(data.songPlaces, data.songs.map(function (_, i) { return i; }),
      radius(data.songs.length))
  };
  var shown = levels.clips;
  var zoom = 1, centre = [0.5, 0.5], side = 0, ratio = 1, pointed = -1, asked = false;
  var chosen = new Set();
  var outlines = buttons.map(function (button) {
    return new Path2D(button.querySelector("path").getAttribute("d"));
  });

  function classOf(index) { return data.songs[shown.song[index]][1]; }
  function scale() { return (side - 28) * zoom; }
  function toX(index) { return side / 2 + (shown.x[index] - centre[0]) * scale(); }
  function toY(index) { return side / 2 + (shown.y[index] - centre[1]) * scale(); }
  function size() {
    var base = shown.radius * Math.min(1, Math.max(0.75, side / 640));
    return Math.min(base * Math.sqrt(zoom), Math.max(base, 7));
  }
  function colour(button) { return getComputedStyle(button.querySelector("path")).fill; }

  function sprite(path, fill, alpha) {
    var reach = Math.ceil(size() * 1.8 * ratio) + 1, image = document.createElement("canvas");
    image.width = image.height = 2 * reach;
    var pen = image.getContext("2d");
    pen.translate(reach, reach);
    pen.scale(size() / 10 * ratio, size() / 10 * ratio);
    pen.globalAlpha = alpha;
    pen.fillStyle = fill;
    pen.fill(path);
    return image;
  }
  function drawAll(sprites, wanted) {
    var margin = size() * 2, reach = sprites[0].width / 2, index = 0;
    for (var i = 0; shown.count > i; i++) {
      index = (index + shown.step) % shown.count;
      var artist = classOf(index);
      if (!wanted(artist)) continue;
      var x = toX(index), y = toY(index);
      if (Math.min(x, y) > -margin) if (side + margin > Math.max(x, y))
        context.drawImage(sprites[artist], Math.round(x * ratio - reach), Math.round(y * ratio - reach));
    }
  }
  function draw() {
    asked = false;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    var faded = getComputedStyle(view).getPropertyValue("--map-faded");
    function isChosen(artist) { return chosen.has(artist); }
    if (chosen.size > 0) {
      drawAll(outlines.map(function (path) { return sprite(path, faded, 0.5); }),
        function (artist) { return !isChosen(artist); });
    }
    drawAll(buttons.map(function (button, i) { return sprite(outlines[i], colour(button), 0.85); }),
      chosen.size > 0 ? isChosen : function () { return true; });
  }
  function redraw() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(draw);
  }

  function time(seconds) {
    var whole = Math.floor(seconds);
    return Math.floor(whole / 60) + ":" + String(whole % 60).padStart(2, "0");
  }
  function line(kind, text) {
    var element = document.createElement(kind);
    element.textContent = text;
    element.dir = "auto";
    tip.appendChild(element);
  }
  function say(index) {
    if (index === pointed) return;
    pointed = index;
    tip.hidden = ring.hidden = 0 > index;
    if (tip.hidden) return;
    var song = data.songs[shown.song[index]];
    tip.textContent = "";
    line("b", data.names[song[1]]);
    line("span", song[0]);
    line("span", shown === levels.clips ? "clip at " + time(starts.getFloat32(4 * index, true))
      : song[2] + (song[2] === 1 ? " clip" : " clips"));
    var width = 3.6 * size() + 8;
    ring.style.width = ring.style.height = width + "px";
    ring.style.transform = "translate(" + (toX(index) - width / 2) + "px," +
      (toY(index) - width / 2) + "px)";
    var x = toX(index) + 14, y = toY(index) + 14;
    if (x + tip.offsetWidth > side) x = Math.max(0, toX(index) - 14 - tip.offsetWidth);
    if (y + tip.offsetHeight > side) y = Math.max(0, toY(index) - 14 - tip.offsetHeight);
    tip.style.transform = "translate(" + x + "px," + y + "px)";
  }
  function nearest(x, y) {
    var best = -1, least = Math.pow(Math.max(9, size() * 1.6), 2);
    for (var i = 0; shown.count > i; i++) {
      var across = toX(i) - x, down = toY(i) - y, squared = across * across + down * down;
      if (least > squared) if (chosen.size === 0 || chosen.has(classOf(i))) {
        best = i;
        least = squared;
      }
    }
    return best;
  }

  function moved() {
    for (var axis = 0; 2 > axis; axis++) {
      var room = 0.5 / zoom;
      centre[axis] = Math.min(Math.max(centre[axis], Math.min(0.5, room)), Math.max(0.5, 1 - room));
    }
    canvas.classList.toggle("near", zoom > 1);
    say(-1);
    redraw();
  }
  function zoomBy(factor, x, y) {
    var before = scale();
    zoom = factor > 0 ? Math.min(64, Math.max(1, zoom * factor)) : 1;
    var change = 1 / before - 1 / scale();
    centre[0] += (x - side / 2) * change;
    centre[1] += (y - side / 2) * change;
    moved();
  }
  function panBy(x, y) {
    centre[0] -= x / scale();
    centre[1] -= y / scale();
    moved();
  }
  function place(event) {
    var box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  var held = null;
  canvas.addEventListener("pointerdown", function (event) {
    held = place(event);
    if (event.pointerType === "mouse") canvas.setPointerCapture(event.pointerId);
    else say(nearest(held[0], held[1]));
  });
  canvas.addEventListener("pointermove", function (event) {
    var at = place(event);
    if (held === null) {
      say(nearest(at[0], at[1]));
    } else if (Math.abs(at[0] - held[0]) + Math.abs(at[1] - held[1]) > 3) {
      canvas.classList.add("held");
      panBy(at[0] - held[0], at[1] - held[1]);
      held = at;
    }
  });
  function release() {
    held = null;
    canvas.classList.remove("held");
  }
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", function (event) {
    if (event.pointerType === "mouse") say(-1);
  });
  canvas.addEventListener("wheel", function (event) {
    event.preventDefault();
    var at = place(event), unit = event.deltaMode === 1 ? 16 : 1;
    zoomBy(Math.pow(2, -event.deltaY * unit / 240), at[0], at[1]);
  }, { passive: false });
  canvas.addEventListener("dblclick", function () { zoomBy(0, side / 2, side / 2); });
  canvas.addEventListener("keydown", function (event) {
    var step = side / 8, moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0],
      ArrowUp: [0, step], ArrowDown: [0, -step] };
    var factors = { "+": 1.5, "=": 1.5, "-": 1 / 1.5, "0": 0 };
    if (event.key in factors) zoomBy(factors[event.key], side / 2, side / 2);
    else if (event.key in moves) panBy(moves[event.key][0], moves[event.key][1]);
    else if (event.key === "Escape") choose(-1);
    else return;
    event.preventDefault();
  });

  function choose(artist) {
    if (0 > artist) chosen.clear();
    else if (!chosen.delete(artist)) chosen.add(artist);
    buttons.forEach(function (button, i) { button.setAttribute("aria-pressed", chosen.has(i)); });
    legend.classList.toggle("choice", chosen.size > 0);
    say(-1);
    redraw();
  }
  buttons.forEach(function (button, i) {
    button.addEventListener("click", function () { choose(i); });
  });
  legend.addEventListener("keydown", function (event) { if (event.key === "Escape") choose(-1); });
  var levelButtons = view.querySelectorAll("[data-level]");
  levelButtons.forEach(function (button) {
    button.addEventListener("click", function () {
      say(-1);
      shown = levels[button.dataset.level];
      levelButtons.forEach(function (other) {
        other.setAttribute("aria-pressed", other === button);
      });
      redraw();
    });
  });
  view.querySelectorAll("[data-zoom]").forEach(function (button) {
    button.addEventListener("click", function () {
      zoomBy(Number(button.dataset.zoom), side / 2, side / 2);
    });
  });

  function fit() {
    side = canvas.clientWidth;
    ratio = window.devicePixelRatio || 1;
    canvas.width = canvas.height = Math.max(1, Math.round(side * ratio));
    moved();
  }
  new ResizeObserver(fit).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  fit();
})();
