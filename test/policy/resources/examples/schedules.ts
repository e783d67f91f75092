import { bad, clusterDeny, many, rule, type Examples } from '../examples.ts';

const during = (fields: object) => rule({ during: { timeZone: 'Europe/Berlin', ...fields } });
const window = (fields: object) => during({ windows: [{ from: '08:00', to: '18:00', ...fields }] });
const at = 'spec.rules[0].during';

export const schedules: Examples = {
  bad: {
    'a schedule without a time zone': bad(
      rule({ during: { windows: [{ from: '08:00', to: '18:00' }] } }),
      `${at}.timeZone`,
      /[Rr]equired/,
    ),
    'a time zone that is an offset': bad(
      during({ timeZone: '+01:00', windows: [{ from: '08:00', to: '18:00' }] }),
      `${at}.timeZone`,
      /such as Europe\/Berlin/,
    ),
    'a time zone that climbs': bad(
      during({ timeZone: '../etc/passwd', windows: [{ from: '08:00', to: '18:00' }] }),
      `${at}.timeZone`,
      /an IANA name/,
    ),
    'a schedule without windows': bad(during({}), `${at}.windows`, /[Rr]equired/),
    'an empty list of windows': bad(during({ windows: [] }), `${at}.windows`, /from: "08:00"/),
    'too many windows': bad(
      during({ windows: many(17, () => ({ from: '08:00', to: '18:00' })) }),
      `${at}.windows`,
      /16/,
    ),
    'a window without an end': bad(
      during({ windows: [{ from: '08:00' }] }),
      `${at}.windows[0].to`,
      /[Rr]equired/,
    ),
    'a window from an hour that does not exist': bad(
      window({ from: '24:00' }),
      `${at}.windows[0].from`,
      /such as "08:00"/,
    ),
    'a window to an hour that does not exist': bad(
      window({ to: '24:01' }),
      `${at}.windows[0].to`,
      /such as "18:00"/,
    ),
    'a window from an hour without a zero': bad(
      window({ from: '8:00' }),
      `${at}.windows[0].from`,
      /hours and minutes in quotes/,
    ),
    'a window from a time that YAML reads as a number': bad(
      window({ from: 480 }),
      `${at}.windows[0].from`,
      /must be of type string/,
    ),
    'a window that ends as it begins': bad(
      window({ to: '08:00' }),
      `${at}.windows[0]`,
      /"00:00" to "24:00" for a whole day/,
    ),
    'a day in full': bad(window({ days: ['Monday'] }), `${at}.windows[0].days[0]`, /Mon.*Sun/),
    'an empty list of days': bad(window({ days: [] }), `${at}.windows[0].days`, /such as Mon/),
    'both schedules at once': bad(
      rule({
        during: { timeZone: 'UTC', windows: [{ from: '08:00', to: '18:00' }] },
        outside: { timeZone: 'UTC', windows: [{ from: '08:00', to: '18:00' }] },
      }),
      'spec.rules[0]',
      /write one of the two/,
    ),
  },
  good: {
    'office hours': window({ days: ['Mon', 'Tue', 'Wed', 'Thu', 'Fri'] }),
    'a night': rule(
      { outside: { timeZone: 'Etc/GMT+5', windows: [{ from: '22:00', to: '06:00' }] } },
      'night',
    ),
    'whole days': rule(
      { during: { timeZone: 'UTC', windows: [{ days: ['Sat', 'Sun'], from: '00:00', to: '24:00' }] } },
      'weekend',
    ),
    'nights of a cluster': clusterDeny(
      {
        methods: ['POST'],
        outside: { timeZone: 'America/Argentina/Buenos_Aires', windows: [{ from: '08:00', to: '18:00' }] },
      },
      'nights',
    ),
  },
};
