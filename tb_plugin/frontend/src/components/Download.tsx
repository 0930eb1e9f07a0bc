/** The run as a file to keep. */

import type {JSX} from 'preact';
import {useEffect, useState} from 'preact/hooks';

import {EXPORT_FORMATS, exportProblem, exportUrl, type ExportFormat} from '../api.ts';
import {named} from '../plain.ts';

const FORMATS = Object.keys(EXPORT_FORMATS) as ExportFormat[];

export function Download({run}: {run: string}): JSX.Element {
  const [asked, setAsked] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => setProblem(null), [run]);
  const download = async (event: MouseEvent, url: string): Promise<void> => {
    // First whether there is such a file: the browser would save the words of an error as one.
    event.preventDefault();
    setAsked(url);
    setProblem(null);
    const found = await exportProblem(url);
    setAsked(null);
    setProblem(found);
    if (found === null) save(url);
  };
  return (
    <>
      <p class="download">
        Download{' '}
        {FORMATS.map(format => {
          const url = exportUrl(run, format);
          return (
            <a
              key={format}
              href={url}
              download
              aria-label={`Download ${named(run)} as ${EXPORT_FORMATS[format]}`}
              aria-busy={asked === url}
              onClick={event => void download(event, url)}
            >
              {EXPORT_FORMATS[format]}
            </a>
          );
        })}
        {asked !== null && <span role="status">preparing…</span>}
      </p>
      {problem !== null && (
        <p class="note" role="alert">
          {problem}
        </p>
      )}
    </>
  );
}

function save(url: string): void {
  const link = document.createElement('a');
  link.href = url;
  link.download = '';
  link.click();
}
