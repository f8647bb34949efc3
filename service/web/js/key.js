// The API key, where the server asks for one. It is forgotten with the tab.

const NAME = "eabs-api-key";

export const apiKey = () => sessionStorage.getItem(NAME);

export const rememberKey = (key) => sessionStorage.setItem(NAME, key);

export const forgetKey = () => sessionStorage.removeItem(NAME);
