// Draws the photos that people take: a dark staircase with a lamp that is out, and later with light.

const [WIDTH, HEIGHT] = [480, 360];

/** Both are base64 of a JPEG. */
export const darkStaircase = () => picture(walls, steps, brokenLamp);
export const litStaircase = () => picture(walls, steps, light, lamp);

function picture(...parts) {
  const canvas = Object.assign(document.createElement("canvas"), { width: WIDTH, height: HEIGHT });
  const pen = canvas.getContext("2d");
  for (const part of parts) part(pen);
  return canvas.toDataURL("image/jpeg", 0.85).split(",")[1];
}

function polygon(pen, fill, ...points) {
  pen.fillStyle = fill;
  pen.beginPath();
  for (const [x, y] of points) pen.lineTo(x, y);
  pen.fill();
}

function walls(pen) {
  const dusk = pen.createRadialGradient(360, 250, 20, 300, 220, 380);
  dusk.addColorStop(0, "#4a5057");
  dusk.addColorStop(1, "#14171b");
  pen.fillStyle = dusk;
  pen.fillRect(0, 0, WIDTH, HEIGHT);
  polygon(pen, "#0d0f12", [0, 0], [150, 70], [150, 250], [0, HEIGHT]);
  polygon(pen, "#23303a", [330, 120], [440, 105], [440, 215], [330, 220]);
  polygon(pen, "#3b5468", [338, 128], [381, 122], [381, 212], [338, 214]);
  polygon(pen, "#35495a", [389, 121], [432, 114], [432, 209], [389, 212]);
}

function steps(pen) {
  for (let step = 0; step < 7; step++) {
    const [y, left, right] = [232 + step * 19, 150 - step * 24, 330 + step * 25];
    polygon(pen, `rgb(${66 - step * 6}, ${70 - step * 6}, ${76 - step * 6})`, [left, y], [right, y], [right + 12, y + 9], [left - 12, y + 9]);
    polygon(pen, `rgb(${34 - step * 3}, ${37 - step * 3}, ${41 - step * 3})`, [left - 12, y + 9], [right + 12, y + 9], [right + 12, y + 19], [left - 12, y + 19]);
  }
}

function brokenLamp(pen) {
  bulb(pen, "#83888c");
  pen.strokeStyle = "#3a3e42";
  pen.lineWidth = 2.5;
  pen.beginPath();
  pen.moveTo(222, 30);
  pen.lineTo(236, 42);
  pen.lineTo(230, 50);
  pen.lineTo(248, 62);
  pen.stroke();
}

const lamp = (pen) => bulb(pen, "#fff7d6");

function bulb(pen, glass) {
  polygon(pen, "#5b6066", [222, 0], [258, 0], [252, 18], [228, 18]);
  pen.fillStyle = glass;
  pen.beginPath();
  pen.ellipse(240, 40, 24, 26, 0, 0, 2 * Math.PI);
  pen.fill();
}

function light(pen) {
  const glow = pen.createRadialGradient(240, 40, 10, 240, 120, 400);
  glow.addColorStop(0, "#fff4d8");
  glow.addColorStop(0.35, "#b39a6c");
  glow.addColorStop(1, "#4c4333");
  pen.globalCompositeOperation = "screen";
  pen.fillStyle = glow;
  pen.fillRect(0, 0, WIDTH, HEIGHT);
  pen.globalCompositeOperation = "source-over";
}
