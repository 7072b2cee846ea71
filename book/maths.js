// TeX to MathML: reads [[tex, display], ...] as JSON, writes [{mathml} or {error}, ...].
// Its one argument is MathJax's folder. book/maths.py runs it, once for each page.
const folder = process.argv[2];
const packages = ["base", "ams", "newcommand"];
const setup = {
  loader: {
    paths: { mathjax: folder },
    load: ["input/tex-base", "[tex]/ams", "[tex]/newcommand", "adaptors/liteDOM"],
  },
  // Without noundefined and noerrors: what TeX does not know is an error, not red text.
  tex: { packages, formatError: (_, error) => { throw error; } },
};

async function main() {
  const MathJax = await require(`${folder}/node-main.js`).init(setup);
  const wanted = JSON.parse(require("fs").readFileSync(0, "utf-8"));
  const made = [];
  for (const [tex, display] of wanted) {
    try {
      made.push({ mathml: await MathJax.tex2mmlPromise(tex, { display }) });
    } catch (error) {
      made.push({ error: error.message });
    }
  }
  process.stdout.write(JSON.stringify(made));
}

main().catch((error) => { console.error(error); process.exit(1); });
